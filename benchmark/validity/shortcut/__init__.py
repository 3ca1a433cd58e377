"""Check ``shortcut``: do the scores depend on a shortcut, and do the maps show it?"""
