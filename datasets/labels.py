"""Matches the name that a user gives a finding to one of the network's findings."""

import re
from collections.abc import Sequence

from core.errors import UnknownNameError

SHORTEST = 4
"""Letters that a part of a finding's name must have to stand for it."""
FORMER = {"infiltrate": "infiltration"}
"""What a table of boxes once called a finding (NIH's) -> what its labels call it."""
NOT = frozenset({"no", "non", "not", "negative", "without"})
"""Words that turn a name into its opposite, of which no part stands for it."""


def match(label: str, findings: Sequence[str]) -> str:
    """The finding that ``label`` means, whatever its case, spaces, hyphens and underscores.

    Where nothing else fits numbers do not matter, either. The beginning of words of one finding's name alone means that
    finding, as does a name with it, unless one says the opposite. Raises ``UnknownNameError`` with those that exist.

    >>> match("covid_19", ["COVID", "Normal"]), match("pneumonia", ["Lung Opacity", "Viral Pneumonia"])
    ('COVID', 'Viral Pneumonia')
    """
    word = FORMER.get(_plain(label), _plain(label))
    parts = findings if len(word) >= SHORTEST else ()
    for same in (
        [finding for finding in findings if _plain(finding) == word],
        [finding for finding in findings if _letters(finding) == _letters(label)],
        [finding for finding in parts if _holds(finding, label) or _holds(label, finding)],
    ):
        if len(same) == 1:
            return same[0]
    raise UnknownNameError("label", label, findings)


def _holds(whole: str, part: str) -> bool:
    """Whether ``part`` is the beginning of words of ``whole``, and that does not say the opposite."""
    words = _words(whole)
    if NOT.intersection(words) - set(_words(part)):
        return False
    return any("".join(words[i:]).startswith(_plain(part)) for i in range(len(words)))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.lower())


def _plain(name: str) -> str:
    return "".join(_words(name))


def _letters(name: str) -> str:
    return re.sub(r"\d+", "", _plain(name))
