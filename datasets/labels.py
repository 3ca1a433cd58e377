"""Match a finding typed by a user with the findings of the network."""

import re
from collections.abc import Sequence

from core.errors import UnknownNameError
from core.names import find_finding

SHORTEST = 4
"""Minimum length of a partial name."""
NOT = frozenset({"no", "non", "not", "negative", "without"})
"""Words that negate a name; no part matches across them."""


def match(label: str, findings: Sequence[str]) -> str:
    """Return the finding that ``label`` names, ignoring case, spaces, hyphens and underscores.

    For typed words only, not for tables (see ``core.names.find_finding``). If nothing else fits, digits are ignored,
    too. A label that starts words of exactly one finding matches it, as does a label that contains all words of a name,
    unless one negates it. Raises ``UnknownNameError`` with the allowed findings.

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
    """Return whether ``part`` starts words of ``whole`` and is not its negation."""
    words = _words(whole)
    return not _opposite(whole, part) and any("".join(words[i:]).startswith(_plain(part)) for i in range(len(words)))


def _contains(whole: str, part: str) -> bool:
    """Return whether ``whole`` contains the words of ``part`` in sequence and does not negate it."""
    return not _opposite(whole, part) and f" {' '.join(_words(part))} " in f" {' '.join(_words(whole))} "


def _opposite(whole: str, part: str) -> bool:
    return bool(NOT.intersection(_words(whole)) - set(_words(part)))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.lower())


def _plain(name: str) -> str:
    return "".join(_words(name))


def _letters(name: str) -> str:
    return re.sub(r"\d+", "", _plain(name))
