"""Groups of flags, one frozen dataclass each; the command line is generated from them.

The docstring below a field is its help text. Flags name parts by their words and never import them. ``config.py``
combines these groups into one class per command, so each flag is written once.
"""
