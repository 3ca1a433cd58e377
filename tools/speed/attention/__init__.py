"""Time attention methods, Finer-CAM and faithfulness."""
