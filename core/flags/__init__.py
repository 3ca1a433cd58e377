"""Groups of flags, one frozen dataclass each; the command line is generated from them.

The docstring below a field is its help text. Groups that several commands use are combined in ``config.py``; a
command's own flags are in the file of its topic. Flags refer to registered parts by name and never import them.

Each flag of a training run has roles: those of its group (``role``), or those in its own annotation. Keys of records,
and the flags that a resumed, evaluated or given run may change, follow from the roles.
"""

import enum
import functools
import inspect
from typing import Any

from core.cli.constraints import constraints_of


class Role(enum.Flag):
    """What a flag is for."""

    WEIGHTS = enum.auto()
    """Changes the trained network; part of the key of its records."""
    MAPS = enum.auto()
    """Describes the network besides its weights: its maps or its probabilities depend on the flag."""
    DATA = enum.auto()
    """Selects the images and labels."""
    MACHINE = enum.auto()
    """Adapts the run to a machine and its files. With ``WEIGHTS``: changes only the last digits."""
    OUTPUT = enum.auto()
    """Folders, logs and plots."""
    MODE = enum.auto()
    """Replaces the training run by something else, such as a search."""
    NEWER = enum.auto()
    """Added when records had been published: in a key only if it is not at its default, so that their keys stay."""


WEIGHTS, MAPS, DATA, MACHINE, OUTPUT, MODE, NEWER = Role


@functools.cache
def _roles(config_class: Any) -> dict[str, Role]:
    roles = {}
    for part in reversed(config_class.__mro__):
        for name in inspect.get_annotations(part):
            marks = [mark for mark in constraints_of(part, name) if isinstance(mark, Role)]
            roles[name] = marks[0] if marks else vars(part)["role"]
    return roles


def flags_with(config_class: Any, roles: Role) -> frozenset[str]:
    """Return the names of the flags of ``config_class`` that have at least one of ``roles``."""
    return frozenset(name for name, role in _roles(config_class).items() if role & roles)
