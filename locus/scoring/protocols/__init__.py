"""Protocols score pairs of heat map and truth. A new file adds a protocol without other edits.

Each file defines one protocol. ``base`` has what they share.
"""

from typing import Any

from locus.core.registry import PROTOCOLS

registry = PROTOCOLS


def names() -> list[str]:
    """Return the names of all protocols, sorted."""
    return registry.names()


def of_maps() -> list[str]:
    """Return the protocols that use heat maps only: the default of a suite."""
    return judging("maps")


def judging(*kinds: str) -> list[str]:
    """Return the protocols whose ``judges`` is one of the ``kinds``."""
    return [name for name in names() if get(name).judges in kinds]


def of_boxes() -> list[str]:
    """Return the protocols that accept one box per case instead of a map."""
    return [name for name in of_maps() if get(name).takes_boxes]


def reads_absent_findings(name: str) -> bool:
    """Return whether a protocol may use maps of findings that an image does not show."""
    return get(name).counts_false_alarms or get(name).judges not in ("maps", "beside prior")


def get(name: str) -> type[Any]:
    """Return the class of a protocol. Raises ``locus.core.errors.UnknownNameError``."""
    return registry.get(name)
