"""Groups of flags, one frozen dataclass each; the command line is generated from them.

The docstring below a field is its help text. ``config.py`` combines the groups into one class per command, so each flag
is written once. Flags refer to registered parts by name and never import them.
"""
