"""Settings and page of ``python -m tools.speed start``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed import names
from tools.speed.page import Section, measured, rounds
from tools.speed.record import Row, SpeedRecord, quotient
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class StartSpeedConfig(SpeedConfig):
    """Compare the start time of the commands with ``import torch``: ``python -m tools.speed start``."""

    rounds: Annotated[int, AtLeast(1)] = 5
    """Number of timings of each command, in turn with the others; the minimum counts."""


def times_torch(record: SpeedRecord, row: Row) -> float | None:
    """Return the time as a multiple of that of ``import torch``."""
    return quotient(row, record.beside(row, names.IMPORT_TORCH, until="exit"), "wall_s")


SUBJECT = Subject(
    name="start",
    config=StartSpeedConfig,
    tiny={"rounds": 1},
    title="The start of a command",
    about="""
Seconds from the start of the interpreter, with compiled bytecode. Errors are timed until the command ends, other
commands until their first line, and training until the process ends after the first step on cached data.""",
    sections=(
        Section(
            "start",
            "Start-up",
            "",
            {
                "command": lambda _, row: row.contender,
                "until": lambda _, row: str(row.on["until"]),
                "seconds": measured("wall_s"),
                "CPU seconds": measured("cpu_s"),
                "× import torch": times_torch,
                "rounds": rounds,
            },
        ),
    ),
)
