"""Check ``shortcut``: the effect of a shortcut on scores and maps."""
