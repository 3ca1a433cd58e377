"""Check ``faithfulness``: whether the network's output depends on the pixels that a map highlights."""
