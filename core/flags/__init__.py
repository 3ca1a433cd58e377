"""The flags of every door in groups: frozen dataclasses, a sentence under each field, from which the command line is derived.

They know words, never a part. ``config.py`` makes each door's class of them; a flag is written once and inherited.
"""
