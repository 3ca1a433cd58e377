"""Entry point: score your maps or boxes, ``python -m benchmark.score --dataset NIH --maps FOLDER --entry NAME``."""

import logging
import sys
from collections.abc import Sequence

from locus.config import ScoreConfig
from locus.flags import cli

log = logging.getLogger(__name__)


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Score an entry and the baselines, print the paths of the tables; exit code 1 if a case failed, 2 if invalid."""
    config, _ = cli.parse(ScoreConfig, argv, "python -m benchmark.score")
    log.info("reading the data set, and the maps or boxes")
    from locus.benchmark.entries import entry  # after the flags are checked

    external_entry = entry.read(config)
    log.info("scoring %d cases", len(external_entry.answers.pairs))
    from locus.benchmark.suite.external import run  # after the files are checked: imports torch

    return run(config, external_entry, cli.say)


if __name__ == "__main__":
    sys.exit(main())
