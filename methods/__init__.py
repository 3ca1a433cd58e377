"""Heat-map methods: each turns a model's features, gradients or logits into one map per finding. One file per method.

``names()`` lists the registered words, ``get(word)`` returns the class and ``build(word)`` an instance. A word may
carry options (``noise:seed=3``) or name a class outside the package (``path/to/file.py:Class``). ``expand(words)``
replaces ``all``, ``fast`` and ``slow`` by their methods. Spelling is forgiving: ``Grad-CAM++`` means ``gradcampp``.
Installed packages add methods through the entry-point group ``locus.methods``. Maps are raw: not resized, not scaled.
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
"""Words for groups of methods: all ``fast`` methods together cost about one forward pass, ``slow`` are the rest."""
FAST = frozenset({"features", "gradients", "class_maps", "all_findings", "others"})
"""Needs covered by the one forward pass."""


def names() -> list[str]:
    """Return all methods of this and installed packages, sorted. Raises ``DataError`` for one named like a group."""
    method_names = registry.names()
    for word in GROUPS:
        if word in method_names:
            where = registry.files.get(word) or registry.plugins[word].value
            raise DataError(f"the method {word!r} ({where}) has the name of a group of methods: give it another name")
    return method_names


def expand(words: Sequence[str]) -> list[str]:
    """Replace each group by its methods. Keeps the order and drops duplicates.

    A method that cannot be imported counts as ``slow``; building it reports the reason.
    """
    members = (_members(word) if word in GROUPS else [word] for word in map(normalize_name, words))
    return list(dict.fromkeys(itertools.chain.from_iterable(members)))


def normalize_name(word: str) -> str:
    """Return the registered spelling of a word (``Grad-CAM++`` -> ``gradcampp``), or the word itself if unknown."""
    return match_name(word, [*GROUPS, *registry.names()])


def _members(group: str) -> list[str]:
    return [word for word in names() if group == "all" or is_fast(word) == (group == "fast")]


def is_fast(word: str) -> bool:
    """True if a method costs about one forward pass; logs a warning and returns False if it cannot be imported.

    Attributes of this package's methods are read from the source text, without importing them.
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
    """Return the class for a word or ``path/to/file.py:Class``. Raises ``UnknownNameError`` with the nearest word."""
    return _checked(word, from_file(word, "method") if runs_code(word) else registry.get(normalize_name(word)))


def build(word: str) -> "Method":
    """Return an instance of the word's class with the word's options; every method has the option ``smooth``."""
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
    """Split a word into the word without its option ``smooth`` and the value of ``smooth`` (empty if not set).

    >>> split_smooth("layercam:smooth=aug,layers=layer3")
    ('layercam:layers=layer3', 'aug')
    """
    name, _, options = word.partition(":")
    pairs = options.split(",")
    smooth_pairs = [pair for pair in pairs if pair.startswith("smooth=") and pair != "smooth="]
    smooth = ",".join(pair.partition("=")[2] for pair in smooth_pairs)
    rest = ",".join(pair for pair in pairs if pair not in smooth_pairs)
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
    """Import the base classes on first access, so that listing the names does not import torch."""
    if name in {"Method", "GradientMethod", "Evidence"}:
        from methods import base

        return getattr(base, name)
    raise AttributeError(f"module 'methods' has no attribute {name!r}")
