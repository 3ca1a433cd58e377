"""Time training: each stage alone, and whole epochs compared with the network alone."""
