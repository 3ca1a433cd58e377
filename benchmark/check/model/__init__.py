"""Check a network before it is scored: its weights, logits, grid, methods, outputs and preprocessing."""
