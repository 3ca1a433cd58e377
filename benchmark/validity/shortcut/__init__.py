"""Check ``shortcut``: whether the scores depend on a shortcut, and whether the maps show it."""
