"""Door: time all methods beside grad-cam, torchcam and captum. ``python -m benchmark.speed.methods``; ``--page`` writes the page alone."""

import sys
from collections.abc import Sequence

from benchmark.speed import page, plan, record
from benchmark.speed.frame import quick
from config import SpeedConfig
from core import cli
from core.files import write_text


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the record and the page, and say where they lie."""
    config, typed = cli.parse(SpeedConfig, argv, "python -m benchmark.speed.methods")
    config = quick(config, typed, plan.QUICK) if config.quick else config
    if not config.page:
        from benchmark.speed.run import run  # torch is imported when the flags are right

        record.write(run(config), config.record)
    write_text(config.output, page.page(record.read(config.record)))
    print(f"{config.output} shows the record {config.record}")


if __name__ == "__main__":
    sys.exit(main())
