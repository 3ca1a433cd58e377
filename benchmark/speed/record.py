"""What a run of the speed benchmark leaves behind: the machine, the settings, and one row per thing timed."""

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import DataError
from core.files import write_json

FORWARD = "bare forward"
CHANNELS_LAST = "bare forward, images channels last"
SEVEN = "Locus, seven methods"
ALONE = "Locus, Grad-CAM"
LAYER = "Locus, Grad-CAM one level earlier"
SCORE = "Locus, Score-CAM"
UPSAMPLING = "upsampling the seven methods' maps"
PACKAGE_SIX = "grad-cam, six methods"
PACKAGE_SCORE = "grad-cam, Score-CAM"
CAPTUM = "captum, Grad-CAM"
TORCHCAM = "torchcam, Grad-CAM"

Group = Literal["methods", "scorecam", "layer", "batch"]


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


class Setting(Frozen):
    """What is explained: a network and a batch of images."""

    backbone: str
    size: int
    """Side in pixels of the square images."""
    batch: int
    """Images per call."""


class Row(Frozen):
    """The time of one contender; everything of one group and setting was timed interleaved."""

    group: Group
    setting: Setting
    contender: str
    findings: int
    """How many findings were explained; 0 for the bare forward."""
    wall_ms: float | None
    """Milliseconds per image, the minimum over ``rounds``; None where it was left out."""
    cpu_ms: float | None
    """Milliseconds of processor time per image, all threads together, the minimum over ``rounds``."""
    rounds: int
    reason: str = ""
    """Why it was left out."""


class Peak(Frozen):
    """The peak memory of one call in a process of its own, above what the process held with model and images loaded."""

    setting: Setting
    contender: str
    findings: int
    mib: float | None
    """MiB; None where the system does not tell."""


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


class SpeedRecord(Run):
    """One run of ``benchmark.speed.methods``."""

    rows: tuple[Row, ...]
    peaks: tuple[Peak, ...]

    def row(self, group: Group, setting: Setting, contender: str, findings: int = 0) -> Row | None:
        """The row of that name, where there is one."""
        wanted = (group, setting, contender, findings)
        return next((r for r in self.rows if (r.group, r.setting, r.contender, r.findings) == wanted), None)

    def wall(self, group: Group, setting: Setting, contender: str, findings: int = 0) -> float | None:
        """Its milliseconds per image, where it was measured."""
        found = self.row(group, setting, contender, findings)
        return None if found is None else found.wall_ms

    def of(self, group: Group) -> list[Setting]:
        """The settings of a group, in the order in which they were measured."""
        return list(dict.fromkeys(row.setting for row in self.rows if row.group == group))


def write(record: Run, path: Path | str) -> None:
    """Write the record as JSON, a row per line, whole or not at all."""
    write_json(path, record.model_dump(mode="json"))


def read(kind: type[R], path: Path | str, door: str) -> R:
    """Read a record of this ``kind``. Raises ``DataError`` with the path, what is wrong, and the ``door`` that makes it."""
    try:
        return kind.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(f"cannot read the record {path}: {error}; make it with {door}") from error
