"""Door: time all methods beside grad-cam, torchcam and captum. ``python -m benchmark.speed.methods``; ``--page`` writes the page alone."""

import sys
from collections.abc import Sequence

from benchmark.speed import page, plan
from benchmark.speed.frame import Door
from benchmark.speed.record import SpeedRecord
from config import SpeedConfig
from core import cli


def _run(config: SpeedConfig) -> SpeedRecord:
    from benchmark.speed.run import run  # torch is imported when the flags are right

    return run(config)


DOOR = Door("python -m benchmark.speed.methods", SpeedConfig, plan.QUICK, _run, SpeedRecord, page.page)


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the record and the page, and say where they lie."""
    print(DOOR(argv))


if __name__ == "__main__":
    sys.exit(main())
