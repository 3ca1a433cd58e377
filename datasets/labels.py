"""Matches the name that a user gives a finding to one of the network's findings."""

import re
from collections.abc import Sequence

from core.errors import UnknownNameError
from core.names import find_finding

SHORTEST = 4
"""Letters that a part of a finding's name must have to stand for it."""
NOT = frozenset({"no", "non", "not", "negative", "without"})
"""Words that turn a name into its opposite, of which no part stands for it."""


def match(label: str, findings: Sequence[str]) -> str:
    """The finding that ``label`` means, whatever its case, spaces, hyphens and underscores.

    For words that a person types, never for those of a table (see ``core.names.find_finding``). Where nothing else fits
    numbers do not matter, either. The beginning of words of one finding's name alone means that finding, as does a name
    with its whole words in it, unless one says the opposite. Raises ``UnknownNameError`` with those that exist.

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
    """Whether ``part`` is the beginning of words of ``whole``, and that does not say the opposite."""
    words = _words(whole)
    return not _opposite(whole, part) and any("".join(words[i:]).startswith(_plain(part)) for i in range(len(words)))


def _contains(whole: str, part: str) -> bool:
    """Whether ``whole`` has all the words of ``part``, one after the other, and does not say the opposite."""
    return not _opposite(whole, part) and f" {' '.join(_words(part))} " in f" {' '.join(_words(whole))} "


def _opposite(whole: str, part: str) -> bool:
    return bool(NOT.intersection(_words(whole)) - set(_words(part)))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.lower())


def _plain(name: str) -> str:
    return "".join(_words(name))


def _letters(name: str) -> str:
    return re.sub(r"\d+", "", _plain(name))
