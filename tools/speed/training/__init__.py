"""Time training: each stage alone, and epochs compared with the network alone."""
