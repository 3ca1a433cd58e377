"""Check ``alignment``: the effect of the conventional placement of maps on scores."""
