"""Heat-map methods: from what a model computed about an image to one map per finding. One file per method.

``names()`` are the words, ``get(word)`` the class, ``build(word)`` an instance (``noise:seed=3``,
``path/to/file.py:Class`` for a class outside the tree), ``expand(words)`` puts the methods in place of ``all``,
``fast`` and ``slow``. Words are taken in any spelling: ``Grad-CAM++`` is ``gradcampp``. A package installed beside
Locus adds its methods by the entry-point group ``locus.methods``. Raw maps only: nothing is resized or scaled here.
"""

import itertools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.errors import BadValueError, DataError, NotAvailableError
from core.registry import BROKEN, Registry, construct
from core.registry import normalize_name as match_name
from core.user_code import from_file, runs_code

if TYPE_CHECKING:
    from methods.base import Evidence, GradientMethod, Method

__all__ = [
    "GROUPS", "Evidence", "GradientMethod", "Method", "build", "expand", "get", "is_fast", "names",
    "normalize_name", "registry",
]  # fmt: skip

log = logging.getLogger(__name__)
registry = Registry("methods", "method", "locus.methods")
GROUPS = ("all", "fast", "slow")
"""Words for several methods: ``fast`` are those that cost about one forward pass together, ``slow`` the rest."""
FAST = frozenset({"features", "gradients", "class_maps", "others"})
"""Needs that come at the price of the one forward pass."""


def names() -> list[str]:
    """All methods of the folder and of installed packages, sorted. Raises ``DataError`` for one named like a group."""
    known = registry.names()
    for word in GROUPS:
        if word in known:
            where = registry.files.get(word) or registry.plugins[word].value
            raise DataError(f"the method {word!r} ({where}) has the name of a group of methods: give it another name")
    return known


def expand(words: Sequence[str]) -> list[str]:
    """The words with the methods of a group in its place; the order is kept, each word comes once.

    One that cannot be imported is ``slow``, and tells why when it is built.
    """
    members = (_members(word) if word in GROUPS else [word] for word in map(normalize_name, words))
    return list(dict.fromkeys(itertools.chain.from_iterable(members)))


def normalize_name(word: str) -> str:
    """The word as it is registered: ``Grad-CAM++`` is ``gradcampp``; an unknown one stays as it is."""
    return match_name(word, [*GROUPS, *registry.names()])


def _members(group: str) -> list[str]:
    return [word for word in names() if group == "all" or is_fast(word) == (group == "fast")]


def is_fast(word: str) -> bool:
    """Whether a method costs about one forward pass; one that cannot be imported does not, which is told.

    What a file of the folder states is read from its text: nothing is imported for it.
    """
    if split_smooth(word)[1]:
        return False
    name = normalize_name(word).split(":")[0]
    needs = registry.read_attribute(name, "needs") if name in registry.files else None
    if isinstance(needs, set | frozenset):
        return needs <= FAST and not registry.read_attribute(name, "costly")
    try:
        return get(word).is_fast()
    except (NotAvailableError, BadValueError) as error:
        log.warning("not among the fast methods: %s", error)
        return False


def get(word: str) -> "type[Method]":
    """The class behind a word or ``path/to/file.py:Class``. Raises ``UnknownNameError`` with the nearest word."""
    return _checked(word, from_file(word, "method") if runs_code(word) else registry.get(normalize_name(word)))


def build(word: str) -> "Method":
    """An instance of the word's class, with the word's options; ``smooth`` is one of every method."""
    part, (bare, smooth) = get(word), split_smooth(word)
    try:
        method: Method = part() if runs_code(word) else construct(part, "method", bare, {})
        if smooth:
            from methods import smoothing

            method.smooth = smoothing.get(smooth)
        return method
    except BROKEN as error:
        broken = f"the method {word!r} cannot be made: {type(error).__name__}: {error}"
        raise BadValueError(f"{broken}; its options need defaults") from error


def split_smooth(word: str) -> tuple[str, str]:
    """The word without its option ``smooth``, and that; nothing where it has none.

    >>> split_smooth("layercam:smooth=aug,layers=layer3")
    ('layercam:layers=layer3', 'aug')
    """
    name, _, given = word.partition(":")
    pairs = given.split(",")
    chosen = [pair for pair in pairs if pair.startswith("smooth=") and pair != "smooth="]
    smooth = ",".join(pair.partition("=")[2] for pair in chosen)
    rest = ",".join(pair for pair in pairs if pair not in chosen)
    return (word if runs_code(word) else name + ":" * bool(rest) + rest), "" if runs_code(word) else smooth


def _checked(word: str, part: type[Any]) -> "type[Method]":
    from methods.base import Method
    from methods.evidence import NEEDS

    if not issubclass(part, Method) or not isinstance(getattr(part, "name", None), str):
        raise BadValueError(f"{word} is no method: derive it from methods.Method or GradientMethod and give it a name")
    if not isinstance(part.needs, set | frozenset):
        raise BadValueError(f"{word} needs {part.needs!r}: give a set of {', '.join(sorted(NEEDS))}")
    return part


def __getattr__(name: str) -> Any:
    """The base classes, imported when asked for: listing the names needs no torch."""
    if name in {"Method", "GradientMethod", "Evidence"}:
        from methods import base

        return getattr(base, name)
    raise AttributeError(f"module 'methods' has no attribute {name!r}")
