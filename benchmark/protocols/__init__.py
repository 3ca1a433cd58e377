"""Protocols: (heat map, truth) pairs to scores. One file each; a new file is a new protocol, with no other edit."""

from typing import Any

from core.registry import Registry

registry = Registry("benchmark.protocols", "protocol")


def names() -> list[str]:
    """The words of all protocols, sorted."""
    return registry.names()


def of_maps() -> list[str]:
    """Those that judge maps alone: what a suite has that names none."""
    return judging("maps")


def judging(*kinds: str) -> list[str]:
    """The protocols whose ``judges`` is one of the ``kinds``: maps, confidences, raw."""
    return [name for name in names() if (registry.read_attribute(name, "judges") or "maps") in kinds]


def get(name: str) -> type[Any]:
    """The class of a protocol. Raises ``core.errors.UnknownNameError``."""
    return registry.get(name)
