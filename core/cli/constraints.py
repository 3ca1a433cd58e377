"""What rides in the annotation of a flag: limits of numbers, names of registered parts."""

import functools
from collections.abc import Hashable
from typing import Any, NamedTuple, cast, get_args, get_type_hints

from core.errors import BadValueError, UnknownNameError
from core.registry import Registry
from core.user_code import runs_code


class AtLeast(NamedTuple):
    """Limit of a number: the value may not be below ``limit``."""

    limit: float


class AtMost(NamedTuple):
    """Limit of a number: the value may not be above ``limit``."""

    limit: float


class Named(NamedTuple):
    """A word that names a registered part, known from file names without importing it."""

    package: str
    """Dotted name of the folder that holds the parts."""
    kind: str
    """What a part is called in an error sentence."""
    also: tuple[str, ...] = ()
    """Words that are no part and are allowed too."""
    files: bool = False
    """Whether a class from a file, ``path/to/file.py:Class``, is allowed too."""
    group: str | None = None
    """Group of the entry points by which installed packages add parts."""

    def known(self) -> list[str]:
        """All words that the flag takes."""
        return [*self.also, *_words(self.package, self.kind, self.group)]

    def normalize(self, word: str) -> str:
        """The word as it is registered."""
        return word


@functools.cache
def _words(package: str, kind: str, group: str | None) -> list[str]:
    return Registry(package, kind, group).names()


@functools.cache
def _annotations(config_class: Any) -> dict[str, Any]:
    return get_type_hints(config_class, include_extras=True)


def marks(config_class: Any, name: str) -> tuple[Any, ...]:
    """The limits and names in the annotation of the field ``name`` of ``config_class``."""
    return getattr(_annotations(cast("Hashable", config_class))[name], "__metadata__", ())


def normalize_names(config_class: type[Any], name: str, value: Any) -> Any:
    """The ``value`` of the flag ``name`` with its words as they are registered, a tuple word by word."""
    for mark in marks(config_class, name):
        if isinstance(mark, Named) and value:
            value = tuple(map(mark.normalize, value)) if isinstance(value, tuple) else mark.normalize(value)
    return value


def choices(config_class: type[Any], name: str) -> str:
    """The end of a flag's help text: the registered words that it takes."""
    named = [mark for mark in marks(config_class, name) if isinstance(mark, Named)]
    return f" One of: {', '.join(named[0].known())}." if named else ""


def check(config_class: type[Any], name: str, value: Any) -> None:
    """Hold a value against its annotation, a tuple word by word; raises ``BadValueError`` or ``UnknownNameError``."""
    if value is None and type(None) not in get_args(get_type_hints(config_class)[name]):
        raise BadValueError(f"--{name} is null: write a value, or leave it out")
    if value is None or isinstance(value, bool):
        return
    for mark in marks(config_class, name):
        for item in value if isinstance(value, tuple) else (value,):
            _hold(f"--{name}", mark, item)


def _hold(flag: str, mark: Any, value: Any) -> None:
    if isinstance(mark, Named) and value.split(":")[0] not in mark.known() and not (mark.files and runs_code(value)):
        raise UnknownNameError(mark.kind, value.split(":")[0], mark.known())
    if isinstance(mark, AtLeast) and not value >= mark.limit:
        raise BadValueError(f"{flag} {value} is too small: write {mark.limit} or more")
    if isinstance(mark, AtMost) and not value <= mark.limit:
        raise BadValueError(f"{flag} {value} is too large: write {mark.limit} or less")
