"""Settings and page of ``python -m tools.speed start``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed import names
from tools.speed.page import Section, contender, measured, on, rounds, times
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class StartSpeedConfig(SpeedConfig):
    """Compare the start time of the commands with ``import torch``: ``python -m tools.speed start``."""

    rounds: Annotated[int, AtLeast(1)] = 5
    """Number of timings of each command, in turn with the others; the minimum counts."""


SUBJECT = Subject(
    name="start",
    config=StartSpeedConfig,
    tiny={"rounds": 1},
    title="The start of a command",
    about="""
All times count from the start of the interpreter, with bytecode already compiled. In the goals, a time is a multiple of
that of `import torch`. Errors are timed until the command ends, and other commands until they print their first line. A
training run is timed until its process ends, after the first step on cached data.""",
    sections=(
        Section(
            "start",
            "Start-up",
            "",
            {
                "command": contender,
                "until": on("until"),
                "seconds": measured("wall_s"),
                "CPU seconds": measured("cpu_s"),
                "× import torch": times(names.IMPORT_TORCH, "wall_s", until="exit"),
                "rounds": rounds,
            },
        ),
    ),
)
