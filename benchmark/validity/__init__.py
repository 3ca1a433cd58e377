"""Validity checks: whether the maps and the tables say what they seem to say. One file per check, one suite per check.

A suite with the field ``check: NAME`` is scored by that check alone: one record per model and method, under the check's
name as its protocol, from the same command, with the same schema. Listing the names imports no torch.
"""

from typing import TYPE_CHECKING

from core.registry import Registry

if TYPE_CHECKING:
    from benchmark.validity.base import Check

__all__ = ["get", "is_check", "judges_classifier", "names", "registry"]

registry = Registry("benchmark.validity", "check")


def names() -> list[str]:
    """The names of all checks, sorted."""
    return registry.names()


def is_check(name: str) -> bool:
    """Whether a record's protocol is a check."""
    return name in registry.files


def get(name: str) -> "type[Check]":
    """The class behind a name. Raises ``UnknownNameError``."""
    return registry.get(name)


def judges_classifier(name: str) -> bool:
    """Whether a check also judges the classifier itself: its class states ``classifier = True``. Imports no check."""
    return registry.read_attribute(name, "classifier") is True
