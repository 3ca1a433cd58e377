"""Validity checks: whether the maps and the tables say what they seem to say. One file per check, one suite per check.

A suite with the field ``check: WORD`` is scored by that check alone: one record per model and method, under the check's
word as its protocol, from the same door, with the same schema. Listing the words imports no torch.
"""

from typing import TYPE_CHECKING

from core.registry import Registry

if TYPE_CHECKING:
    from benchmark.validity.base import Check

__all__ = ["get", "is_check", "judges_classifier", "names", "registry"]

registry = Registry("benchmark.validity", "check")


def names() -> list[str]:
    """The words of all checks, sorted."""
    return registry.names()


def is_check(word: str) -> bool:
    """Whether a record's protocol is a check."""
    return word in registry.files


def get(word: str) -> "type[Check]":
    """The class behind a word. Raises ``UnknownNameError``."""
    return registry.get(word)


def judges_classifier(word: str) -> bool:
    """Whether a check also judges the classifier itself: its class states ``classifier = True``. Imports no check."""
    return registry.stated(word, "classifier") is True
