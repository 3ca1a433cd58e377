"""Match a finding that a user typed with the findings of a network."""

import re
from collections.abc import Sequence

from core.errors import UnknownNameError
from core.names import find_finding

SHORTEST = 4
"""Minimum length of a partial name."""
NOT = frozenset({"no", "non", "not", "negative", "without"})
"""Words that negate a name."""


def match(label: str, findings: Sequence[str]) -> str:
    """Return the finding that a typed ``label`` names, ignoring case, spaces, hyphens and underscores.

    A label without an exact match may differ in digits, be the start of words in the finding, or contain the finding,
    unless it is negated and if exactly one finding fits. For names in tables use ``core.names.find_finding``, which is
    strict. Raises ``UnknownNameError`` with the allowed findings.

    >>> match("covid_19", ["COVID", "Normal"]), match("pneumonia", ["Lung Opacity", "Viral Pneumonia"])
    ('COVID', 'Viral Pneumonia')
    """
    if (named := find_finding(label, findings)) is not None:
        return named
    parts = findings if len(_plain(label)) >= SHORTEST else ()
    for same in (
        [finding for finding in findings if _letters(finding) == _letters(label)],
        [finding for finding in parts if _begins(finding, label) or _contains(label, finding)],
    ):
        if len(same) == 1:
            return same[0]
    raise UnknownNameError("label", label, findings)


def _begins(whole: str, part: str) -> bool:
    """Return True if words of ``whole`` start with ``part`` and are not negated."""
    words = _words(whole)
    return not _opposite(whole, part) and any("".join(words[i:]).startswith(_plain(part)) for i in range(len(words)))


def _contains(whole: str, part: str) -> bool:
    """Return True if ``whole`` contains the words of ``part`` in sequence and does not negate it."""
    return not _opposite(whole, part) and f" {' '.join(_words(part))} " in f" {' '.join(_words(whole))} "


def _opposite(whole: str, part: str) -> bool:
    return bool(NOT.intersection(_words(whole)) - set(_words(part)))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.lower())


def _plain(name: str) -> str:
    return "".join(_words(name))


def _letters(name: str) -> str:
    return re.sub(r"\d+", "", _plain(name))
