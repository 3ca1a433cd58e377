"""Check ``conventions``: how much of a score is due to the conversion of a map to a picture."""
