"""Command lines: from words and YAML files to the dataclasses in ``locus.config``, and from errors to exit codes.

``cli`` parses a command line, reads YAML and reports errors; ``parser`` makes the parser of a dataclass, with its help,
and checks the limits in its annotations. The library does not import this package.
"""
