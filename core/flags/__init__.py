"""The flags of every command, in groups: frozen dataclasses from which the command line is derived.

Each field has its help text below it. Flags know the words of parts, never the parts. ``config.py`` composes the class
of each command from these groups, so a flag is written once.
"""
