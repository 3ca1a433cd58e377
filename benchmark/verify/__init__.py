"""``--verify``: every figure of the records anew from stored maps, predictions and per-case rows, without a model."""
