"""``--verify``: every figure of the records once more, from stored maps, predictions and per-case rows, without any model."""
