"""What a run of the speed benchmark leaves behind: the machine, the settings, and one row per thing measured."""

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import DataError
from core.files import write_json

On = dict[str, str | int | float]


class Frozen(BaseModel):
    """A part of a record."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Machine(Frozen):
    """Where it ran."""

    cpu: str
    cores: int
    """CPU cores that the process may run on."""
    memory_gib: float
    system: str
    python: str
    threads: int
    """Threads of torch, and of whatever else computes."""
    load: float
    """Processes that wanted a core in the minute before the run: 0 on a quiet machine."""
    packages: dict[str, str]
    gpu: str = ""
    """The GPU that was timed, where one was."""

    @property
    def name(self) -> str:
        """The hardware that decides."""
        return self.gpu or f"{self.cpu}, {self.cores} cores"

    @property
    def word(self) -> str:
        """The name as a part of a file's."""
        return re.sub("[^a-z0-9]+", "-", self.name.lower()).strip("-")


class Row(Frozen):
    """What was measured of one contender; all that share group and conditions were timed in turn."""

    group: str
    on: On
    """The conditions: network, map, findings, thresholds …"""
    contender: str
    figures: dict[str, int | float | None]
    """``wall_ms``, ``cpu_ms`` (processor time, all threads together): milliseconds per image or map, the minimum over
    ``rounds``; ``mib``: peak memory. None where the system does not tell, absent where it was left out."""
    reason: str = ""
    """Why it was left out."""


class SpeedRecord(Frozen):
    """One run of a subject."""

    schema_version: Literal[2]
    created: str
    """UTC, ISO 8601."""
    seconds: float
    machine: Machine
    settings: dict[str, Any]
    """The flags of the run that decide what is measured."""
    note: str = ""
    """What else is to be known of the machine."""
    rows: tuple[Row, ...]

    def of(self, group: str, *contenders: str, **on: str | int) -> list[Row]:
        """The rows of a group under the conditions ``on``, of some ``contenders`` or all, in the order measured."""
        rows = (row for row in self.rows if row.group == group and (row.contender in contenders or not contenders))
        return [row for row in rows if on.items() <= row.on.items()]

    def beside(self, row: Row, contender: str, **changed: str | int) -> Row | None:
        """Another contender under the same conditions but for those that are ``changed``."""
        on = row.on | changed
        return next((other for other in self.of(row.group, contender) if other.on == on), None)

    def words(self, template: str, row: Row) -> str:
        """The ``template`` with a row's conditions, and the settings, in its braces."""
        return template.format_map(self.settings | row.on | {"contender": row.contender})


def figure(row: Row | None, name: str) -> float | None:
    """A figure of a row where it was measured; ``least_ms`` is the smaller of wall and processor time.

    On a machine that others use a long call waits for a core and a short one does not: wall time favours the short.
    """
    if name == "least_ms":
        times = figure(row, "wall_ms"), figure(row, "cpu_ms")
        return None if times[0] is None or times[1] is None else min(times[0], times[1])
    return row.figures.get(name) if row else None


def quotient(above: Row | None, below: Row | None, name: str = "wall_ms") -> float | None:
    """A figure of two rows, divided, where both were measured."""
    numerator, denominator = figure(above, name), figure(below, name)
    return numerator / denominator if numerator is not None and denominator else None


def write(record: SpeedRecord, path: Path | str) -> None:
    """Write the record as JSON, a row per line, whole or not at all."""
    write_json(path, record.model_dump(mode="json", exclude_defaults=True))


def read(path: Path | str, command: str) -> SpeedRecord:
    """Read a record; raises ``DataError`` with the path, what is wrong, and the ``command`` that makes it."""
    try:
        return SpeedRecord.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(f"cannot read the record {path}: {error}; make it with {command}") from error
