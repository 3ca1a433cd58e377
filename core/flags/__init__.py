"""The flags of every door, in groups: frozen dataclasses from which the command line is derived.

A sentence stands under each field. They know words, never a part. ``config.py`` makes each door's class of them; a flag
is written once and inherited.
"""
