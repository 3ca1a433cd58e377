"""Check ``conventions``: the effect of the conversion of maps to pictures on scores."""
