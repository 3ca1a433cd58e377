"""Shared foundation: types, frames, boxes, registry, command line, errors, seeds and files."""

from locus.core import startup

if startup.is_command():
    startup.exit_quietly()
    startup.leave_checkout()
