"""What a run of the speed benchmark leaves behind: the machine, the settings, and one row per thing timed."""

import json
import re
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import DataError
from core.files import write_json

RECORDS = "tools/speed/records"
"""Where they lie: ``<subject>-<machine>.json``."""


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


class Setting(Frozen):
    """What is explained: a network and a batch of images."""

    backbone: str
    size: int
    """Side in pixels of the square images."""
    batch: int
    """Images per call."""


class Run(Frozen):
    """What every run says of itself."""

    schema_version: Literal[1] = 1
    created: str
    """UTC, ISO 8601."""
    seconds: float
    machine: Machine
    settings: dict[str, Any]
    """The flags of the run that decide what is measured."""


R = TypeVar("R", bound=Run)


def write(record: Run, path: Path | str) -> None:
    """Write the record as JSON, a row per line, whole or not at all."""
    write_json(path, record.model_dump(mode="json"))


def read(kind: type[R], path: Path | str, door: str) -> R:
    """Read a record of this ``kind``.

    Raises ``DataError`` with the path, what is wrong, and the ``door`` that makes it.
    """
    try:
        return kind.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(f"cannot read the record {path}: {error}; make it with {door}") from error
