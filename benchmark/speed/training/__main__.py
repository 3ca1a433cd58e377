"""Door: time training, stage by stage. ``python -m benchmark.speed.training``; ``--page`` writes the page alone."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.speed import record
from benchmark.speed.frame import quick
from benchmark.speed.training import page
from benchmark.speed.training.record import TrainingRecord
from config import TrainingSpeedConfig
from core import cli
from core.files import write_text

DOOR = "python -m benchmark.speed.training"
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
"""The flags of a run on very little, which shows quickly that everything works."""


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the record and the page, and say where they lie."""
    config, typed = cli.parse(TrainingSpeedConfig, argv, DOOR)
    config = quick(config, typed, QUICK) if config.quick else config
    if not config.page:
        from benchmark.speed.training.run import run  # torch is imported when the flags are right

        record.write(run(config), config.record)
    write_text(config.output, page.page(record.read_as(TrainingRecord, config.record, DOOR)))
    print(f"{config.output} shows the record {config.record}")


if __name__ == "__main__":
    sys.exit(main())
