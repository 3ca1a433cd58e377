"""Door: time scoring beside contour searches and labelling. ``python -m benchmark.speed.scoring``; ``--page`` writes the page alone."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.speed.frame import Door
from benchmark.speed.scoring import page
from benchmark.speed.scoring.record import ScoringRecord
from benchmark.speed.scoring.run import run
from config import ScoringSpeedConfig
from core import cli

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
DOOR = Door("python -m benchmark.speed.scoring", ScoringSpeedConfig, QUICK, run, ScoringRecord, page.page)


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the record and the page, and say where they lie."""
    print(DOOR(argv))


if __name__ == "__main__":
    sys.exit(main())
