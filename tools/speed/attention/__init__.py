"""Time attention methods, contrast and faithfulness."""
