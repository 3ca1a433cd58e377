"""Door: time training, stage by stage. ``python -m benchmark.speed.training``; ``--page`` writes the page alone."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.speed.frame import Door
from benchmark.speed.training import page
from benchmark.speed.training.record import TrainingRecord
from config import TrainingSpeedConfig
from core import cli

QUICK: Mapping[str, Any] = {
    "backbones": ("custom",),
    "size": 64,
    "batch": 4,
    "steps": 2,
    "augments": ("light",),
    "files": 2,
    "file_side": 128,
    "decoded": 8,
    "long": 80,
    "long_batch": 8,
    "long_backbone": "custom",
    "rounds": 1,
    "compiled": False,
    "record": "runs/speed/training.json",
    "output": "runs/speed/training_speed.md",
}


def _run(config: TrainingSpeedConfig) -> TrainingRecord:
    from benchmark.speed.training.run import run  # torch is imported when the flags are right

    return run(config)


DOOR = Door("python -m benchmark.speed.training", TrainingSpeedConfig, QUICK, _run, TrainingRecord, page.page)


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the record and the page, and say where they lie."""
    print(DOOR(argv))


if __name__ == "__main__":
    sys.exit(main())
