"""Check ``faithfulness``: the effect of the pixels that a map highlights on the network's output."""
