"""Entry point: export boxes or weights, ``python -m benchmark.export SUITE --format coco``."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from locus.config import ExportConfig
from locus.core import cli

log = logging.getLogger(__name__)


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Write the files of the chosen format and print their folder; exit code 2 for invalid input."""
    config, _ = cli.parse(
        ExportConfig, cli.first_as_flag("--suite", argv), "python -m benchmark.export SUITE"
    )
    if config.format == "weights":
        from locus.benchmark.training.weights import publish_all

        publish_all(Path(config.suite), Path(config.output or "runs/export/weights"), cli.say)
        return
    log.info("reading records and maps")  # the imports below take seconds
    from locus.benchmark.suite.opened import (
        export_coco,
    )  # after the flags are checked: heavy imports

    export_coco(config, cli.say)


if __name__ == "__main__":
    sys.exit(main())
