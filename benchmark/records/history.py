"""Old records load for ever: one small function per step of the schema."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.records.record import SCHEMA_VERSION
from core.errors import DataError

STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Schema version -> the function that makes a record of the next version from it."""


def upgrade(content: dict[str, Any], file: Path) -> dict[str, Any]:
    """The content of a record file at today's schema. Raises ``DataError`` for a version that nobody wrote yet.

    Version by version, each by a function of its own.
    """
    version: Any = content.get("schema_version")
    known = range(min(STEPS, default=SCHEMA_VERSION), SCHEMA_VERSION + 1)
    if version not in known:
        raise DataError(
            f"the record {file} has schema version {version!r}; this checkout reads "
            f"{known[0]} to {known[-1]}: update it"
        )
    for step in range(version, SCHEMA_VERSION):
        content = STEPS[step](content)
    return content
