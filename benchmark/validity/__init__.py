"""Validity checks: test whether the maps and the tables can be trusted. One file and one suite per check.

A suite with the field ``check: NAME`` is scored only by that check: one record per model and method, with the check's
name as its protocol, the same command and the same schema. Listing the names does not import torch.
"""

from typing import TYPE_CHECKING

from core.registry import Registry

if TYPE_CHECKING:
    from benchmark.validity.base import Check

__all__ = ["get", "is_check", "judges_classifier", "names", "registry"]

registry = Registry("benchmark.validity", "check")


def names() -> list[str]:
    """Return the names of all checks, sorted."""
    return registry.names()


def is_check(name: str) -> bool:
    """True if a record's protocol is a check."""
    return name in registry.files


def get(name: str) -> "type[Check]":
    """Return the class of a check. Raises ``UnknownNameError``."""
    return registry.get(name)


def judges_classifier(name: str) -> bool:
    """True if a check also evaluates the classifier (``classifier = True`` in its class). Does not import the check."""
    return registry.read_attribute(name, "classifier") is True
