"""Check ``alignment``: what the conventional placement of maps costs."""
