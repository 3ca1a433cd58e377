"""Entry point: export the weights of training runs, ``python -m benchmark.export RUNS --format weights``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from locus.config import ExportConfig
from locus.flags import cli


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Write a file per training run and print their folder; exit code 2 for invalid input."""
    config, _ = cli.parse(
        ExportConfig, cli.first_as_flag("--runs", argv), "python -m benchmark.export RUNS"
    )
    from locus.benchmark.training.weights import publish_all  # imports torch

    publish_all(Path(config.runs), Path(config.output), cli.say)


if __name__ == "__main__":
    sys.exit(main())
