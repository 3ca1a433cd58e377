"""Shared foundation: types, frames, boxes, registry, command line, errors, seeds and files."""

from core import interrupts

if interrupts.is_command():
    interrupts.exit_quietly()
