"""Heat-map methods, one file each. A method computes one map per image and finding, not resized and not scaled.

``names()`` lists all methods, ``get(word)`` returns the class and ``build(word)`` an instance. A word is a name in any
spelling (``Grad-CAM++`` is ``gradcampp``), a name with options (``noise:seed=3``) or a class of a file
(``path/to/file.py:Class``). ``expand(words)`` replaces ``all``, ``fast`` and ``slow`` by the methods in these groups.
Methods in the folder of ``--plugins`` (or the environment variable ``LOCUS_PLUGINS``) are listed, too, and those that
other packages declare as entry points ``locus.methods``. Their code runs when the method is used.
"""

import itertools
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from locus.core.errors import BadValueError, DataError, NotAvailableError
from locus.core.registry import BASELINES, BROKEN, METHODS, construct
from locus.core.registry import normalize_name as match_name
from locus.core.user_code import from_file, runs_code

if TYPE_CHECKING:
    from locus.methods.base import GradientMethod, Method
    from locus.methods.evidence import Evidence

__all__ = [
    "GROUPS", "Evidence", "GradientMethod", "Method", "build", "check", "expand", "get", "is_fast", "names",
    "normalize_name", "registry",
]  # fmt: skip

log = logging.getLogger(__name__)
registry = METHODS
GROUPS = ("all", "fast", "slow")
"""Groups of methods. All ``fast`` methods together cost at most about 1.2 forward passes; the others are ``slow``."""
FAST_NEEDS = frozenset({"features", "gradients", "class_maps", "all_findings"})
"""Needs that the shared forward pass provides."""


def names() -> list[str]:
    """Return all methods; those of plugins follow. Raises ``DataError`` for one named like a group."""
    method_names = registry.names()
    for word in GROUPS:
        if word in method_names:
            raise DataError(
                f"the method {word!r} ({registry.files.get(word)}) has the name of a group of methods: rename it"
            )
    return method_names


def expand(words: Sequence[str]) -> list[str]:
    """Replace each group by its methods, in order and without duplicates.

    A method that cannot be imported counts as ``slow``; building it raises the error.
    """
    members = (_members(word) if word in GROUPS else [word] for word in normalize_names(words))
    return list(dict.fromkeys(itertools.chain.from_iterable(members)))


def check(words: Iterable[str]) -> None:
    """Raise ``UnknownNameError`` for a word that is not a method, group, baseline or ``path/to/file.py:Class``.

    A file of the user is not executed.

    >>> check(["cam", "fast", "prior", "smoothgrad:n=4"])
    """
    for word in words:
        if word not in (*BASELINES.names(), *GROUPS) and not runs_code(word):
            registry.check(word)


def normalize_name(word: str) -> str:
    """Return a word in its registered spelling (``Grad-CAM++`` -> ``gradcampp``); an unknown word is unchanged."""
    return normalize_names([word])[0]


def normalize_names(words: Iterable[str]) -> list[str]:
    """Return each word in its registered spelling, as ``normalize_name`` does."""
    registered = [*GROUPS, *registry.names()]
    return [match_name(word, registered) for word in words]


def _members(group: str) -> list[str]:
    return [word for word in names() if group == "all" or is_fast(word) == (group == "fast")]


def is_fast(word: str) -> bool:
    """Return True if a method costs about one forward pass. Log a warning and return False if it cannot be imported."""
    if split_smooth(word)[1]:
        return False
    try:
        return get(word).is_fast()
    except (NotAvailableError, BadValueError) as error:
        log.warning("not among the fast methods: %s", error)
        return False


def get(word: str) -> "type[Method]":
    """Return the class of a method. Raises ``UnknownNameError`` or, if it is no method, ``BadValueError``."""
    return _checked(
        word, from_file(word, "method") if runs_code(word) else registry.get(normalize_name(word))
    )


def build(word: str) -> "Method":
    """Return a method with the options in its word. Every method has the option ``smooth``."""
    part, (bare, smooth) = get(word), split_smooth(word)
    try:
        method: Method = part() if runs_code(word) else construct(part, "method", bare, {})
        if smooth:
            from locus.methods import smoothing

            method.smooth = smoothing.get(smooth)
        return method
    except BROKEN as error:
        reason = f"{type(error).__name__}: {error}"
        raise BadValueError(
            f"cannot create the method {word!r} ({reason}): give its options default values"
        ) from error


def split_smooth(word: str) -> tuple[str, str]:
    """Split off the option ``smooth`` of a word; its value is empty if not set.

    >>> split_smooth("layercam:smooth=aug,layers=layer3")
    ('layercam:layers=layer3', 'aug')
    """
    if runs_code(word):
        return word, ""
    name, _, options = word.partition(":")
    pairs = options.split(",")
    smooth_pairs = [pair for pair in pairs if pair.startswith("smooth=") and pair != "smooth="]
    smooth = ",".join(pair.partition("=")[2] for pair in smooth_pairs)
    rest = ",".join(pair for pair in pairs if pair not in smooth_pairs)
    return f"{name}:{rest}" if rest else name, smooth


def _checked(word: str, part: type[Any]) -> "type[Method]":
    from locus.methods.base import Method
    from locus.methods.evidence import NEEDS

    if not issubclass(part, Method) or not isinstance(getattr(part, "name", None), str):
        raise BadValueError(
            f"{word} is not a method: write `from locus import GradientMethod` (or Method), derive it, and set its name"
        )
    if not isinstance(part.needs, set | frozenset):
        raise BadValueError(
            f"{word} has needs = {part.needs!r}: give a set of {', '.join(sorted(NEEDS))}"
        )
    return part


def __getattr__(name: str) -> Any:
    """Import the base classes on first access, so that listing the names does not import torch."""
    if name in {"Method", "GradientMethod", "Evidence"}:
        from locus.methods import base

        return getattr(base, name)
    raise AttributeError(f"module 'locus.methods' has no attribute {name!r}")
