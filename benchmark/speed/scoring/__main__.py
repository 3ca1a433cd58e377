"""Door: time scoring beside contour searches and labelling. ``python -m benchmark.speed.scoring``; ``--page`` writes the page alone."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.speed import record
from benchmark.speed.frame import quick
from benchmark.speed.scoring import page
from benchmark.speed.scoring.record import ScoringRecord
from benchmark.speed.scoring.run import run
from config import ScoringSpeedConfig
from core import cli
from core.files import write_text

DOOR = "python -m benchmark.speed.scoring"
QUICK: Mapping[str, Any] = {
    "positions": (7,),
    "thresholds": (10,),
    "levels": (10, 20),
    "sizes": (32,),
    "methods": 1,
    "images": 80,
    "rounds": 1,
    "record": "runs/speed/scoring.json",
    "output": "runs/speed/scoring_speed.md",
}
"""The flags of a run on very little, which shows quickly that everything works."""


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the record and the page, and say where they lie."""
    config, typed = cli.parse(ScoringSpeedConfig, argv, DOOR)
    config = quick(config, typed, QUICK) if config.quick else config
    if not config.page:
        record.write(run(config), config.record)
    write_text(config.output, page.page(record.read_as(ScoringRecord, config.record, DOOR)))
    print(f"{config.output} shows the record {config.record}")


if __name__ == "__main__":
    sys.exit(main())
