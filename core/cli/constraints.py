"""Constraints in the annotation of a flag: limits of numbers, names of registered parts."""

import functools
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast, get_args, get_type_hints

from core.errors import BadValueError, UnknownNameError
from core.registry import Registry
from core.user_code import runs_code


class AtLeast(NamedTuple):
    """Lower limit of a number."""

    limit: float


class AtMost(NamedTuple):
    """Upper limit of a number."""

    limit: float


@dataclass(frozen=True)
class Named:
    """Name of a part, with options if it has some; the files of the parts are not imported."""

    kind: str
    """Noun for a part in error messages (``method``)."""
    names: tuple[str, ...] = ()
    """Names that are allowed."""
    registry: Registry | None = None
    """Registry whose parts are allowed, too."""
    files: bool = False
    """Allow a class of a Python file, ``path/to/file.py:Class``."""

    def known(self) -> list[str]:
        """Return all names that the flag accepts."""
        return [*self.names, *(self.registry.names() if self.registry else ())]

    def normalize(self, word: str) -> str:
        """Return the registered spelling of a name."""
        return word


@functools.cache
def _annotations(config_class: Any, with_constraints: bool) -> dict[str, Any]:
    return get_type_hints(config_class, include_extras=with_constraints)


def type_of(config_class: Any, name: str) -> Any:
    """Return the type of the field ``name`` of ``config_class``, without constraints."""
    return _annotations(cast("Hashable", config_class), False)[name]


def constraints_of(config_class: Any, name: str) -> tuple[Any, ...]:
    """Return the constraints in the annotation of the field ``name`` of ``config_class``."""
    return getattr(_annotations(cast("Hashable", config_class), True)[name], "__metadata__", ())


def choices(config_class: type[Any], name: str) -> str:
    """Return the end of a flag's help text: the registered names that it accepts."""
    named = [mark for mark in constraints_of(config_class, name) if isinstance(mark, Named)]
    return f" One of: {', '.join(named[0].known())}." if named else ""


def checked(config_class: type[Any], name: str, value: Any) -> Any:
    """Return a value, or each item of a tuple, in its registered spelling, checked against its annotation.

    Raises ``BadValueError`` or ``UnknownNameError``.
    """
    if value is None and type(None) not in get_args(type_of(config_class, name)):
        raise BadValueError(f"--{name} must not be null: give a value or leave the flag out")
    if value is None or isinstance(value, bool):
        return value
    marks = constraints_of(config_class, name)
    if isinstance(value, tuple):
        return tuple(_checked_item(f"--{name}", marks, item) for item in value)
    return _checked_item(f"--{name}", marks, value)


def _checked_item(flag: str, marks: Iterable[Any], value: Any) -> Any:
    for mark in marks:
        if isinstance(mark, Named):
            value = mark.normalize(value)
            word = value.split(":")[0]
            if word not in mark.known() and not (mark.files and runs_code(value)):
                raise UnknownNameError(mark.kind, word, mark.known())
        if isinstance(mark, AtLeast) and not value >= mark.limit:
            raise BadValueError(f"{flag} {value} is too small: use {mark.limit} or more")
        if isinstance(mark, AtMost) and not value <= mark.limit:
            raise BadValueError(f"{flag} {value} is too large: use {mark.limit} or less")
    return value
