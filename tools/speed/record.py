"""Record of a run of the speed benchmark: machine, settings and one row per measurement."""

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import DataError
from core.files import write_json

On = dict[str, str | int | float]


class Frozen(BaseModel):
    """Immutable part of a record."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Machine(Frozen):
    """Machine and packages."""

    cpu: str
    cores: int
    """Number of CPU cores available to the process."""
    memory_gib: float
    system: str
    python: str
    threads: int
    """Number of threads of torch and other libraries."""
    load: float
    """Load average in the minute before the run."""
    packages: dict[str, str]
    gpu: str = ""
    """Name of the timed GPU; empty if none was timed."""

    @property
    def name(self) -> str:
        """Name of the GPU or CPU."""
        return self.gpu or f"{self.cpu}, {self.cores} cores"

    @property
    def word(self) -> str:
        """The name as part of a file name."""
        return re.sub("[^a-z0-9]+", "-", self.name.lower()).strip("-")


class Row(Frozen):
    """Figures of one contender. All contenders of the same group and conditions were timed in turn."""

    group: str
    on: On
    """The conditions: network, map, findings, thresholds …"""
    contender: str
    figures: dict[str, int | float | None]
    """``wall_ms``, ``cpu_ms`` (CPU time of all threads): milliseconds per image or map, the minimum over ``rounds``.
    ``mib``: peak memory. None if the system does not report it; missing if the contender was not timed."""
    reason: str = ""
    """Why the contender was not timed."""


class SpeedRecord(Frozen):
    """One run of a subject."""

    schema_version: Literal[2]
    created: str
    """UTC, ISO 8601."""
    seconds: float
    machine: Machine
    settings: dict[str, Any]
    """The flags of the run that affect the measurements."""
    note: str = ""
    """Remark about the machine."""
    rows: tuple[Row, ...]

    def of(self, group: str, *contenders: str, **on: str | int) -> list[Row]:
        """Return the rows of a group with the conditions ``on``, of some ``contenders`` or all."""
        rows = (row for row in self.rows if row.group == group and (row.contender in contenders or not contenders))
        return [row for row in rows if on.items() <= row.on.items()]

    def beside(self, row: Row, contender: str, **changed: str | int) -> Row | None:
        """Return the row of another contender with the same conditions, except those that are ``changed``."""
        on = row.on | changed
        return next((other for other in self.of(row.group, contender) if other.on == on), None)

    def words(self, template: str, row: Row) -> str:
        """Return the ``template`` with the conditions of a row and the settings inserted."""
        return template.format_map(self.settings | row.on | {"contender": row.contender})


def figure(row: Row | None, name: str) -> float | None:
    """Return a figure of a row, if measured; ``least_ms`` is the smaller of wall and CPU time.

    On a busy machine long calls wait for a core and short calls do not, so wall time favours short calls.
    """
    if name == "least_ms":
        times = figure(row, "wall_ms"), figure(row, "cpu_ms")
        return None if times[0] is None or times[1] is None else min(times[0], times[1])
    return row.figures.get(name) if row else None


def quotient(above: Row | None, below: Row | None, name: str = "wall_ms") -> float | None:
    """Return a figure of two rows, divided; None if one of them was not measured."""
    numerator, denominator = figure(above, name), figure(below, name)
    return numerator / denominator if numerator is not None and denominator else None


def write(record: SpeedRecord, path: Path | str) -> None:
    """Write the record atomically as JSON, with one row per line."""
    write_json(path, record.model_dump(mode="json", exclude_defaults=True))


def read(path: Path | str, command: str) -> SpeedRecord:
    """Read a record. Raises ``DataError`` with the path, the reason and the ``command`` that creates it."""
    try:
        return SpeedRecord.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(f"cannot read the record {path}: {error}; create it with {command}") from error
