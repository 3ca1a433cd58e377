"""Groups of flags, one frozen dataclass each; the command line is generated from them.

The docstring below a field is its help text. Groups that several commands use are combined in ``config.py``; a
command's own flags are in the file of its topic. Flags refer to registered parts by name and never import them.
"""
