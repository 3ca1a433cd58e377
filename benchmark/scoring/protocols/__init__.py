"""Protocols: (heat map, truth) pairs to scores. One file each; a new file is a new protocol, with no other edit."""

from typing import Any

from core.registry import Registry

registry = Registry("benchmark.scoring.protocols", "protocol")


def names() -> list[str]:
    """The words of all protocols, sorted."""
    return registry.names()


def of_maps() -> list[str]:
    """Those that judge maps alone: what a suite has that names none."""
    return judging("maps")


def judging(*kinds: str) -> list[str]:
    """The protocols whose ``judges`` is one of the ``kinds``: maps, confidences, raw."""
    return [name for name in names() if (registry.read_attribute(name, "judges") or "maps") in kinds]


def reads_absent_findings(name: str) -> bool:
    """Whether a protocol may look at the maps of findings that an image does not show. Imports no protocol."""
    counts, judges = (registry.read_attribute(name, attribute) for attribute in ("counts_false_alarms", "judges"))
    return (counts, judges) != (False, "maps")


def get(name: str) -> type[Any]:
    """The class of a protocol. Raises ``core.errors.UnknownNameError``."""
    return registry.get(name)
