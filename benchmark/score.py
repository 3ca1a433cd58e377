"""Entry point: score your maps or boxes, ``python -m benchmark.score --dataset NIH --maps FOLDER --entry NAME``."""

import sys
from collections.abc import Sequence

from benchmark.external import columns
from config import ScoreConfig
from core import cli


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Score an entry and the baselines, print the paths of the tables; exit code 1 if a case failed, 2 if invalid."""
    config, _ = cli.parse(ScoreConfig, argv, "python -m benchmark.score")
    columns.check(
        config.boxes,
        config.box_format,
        [("--predictions", config.predictions, ("image",)), ("--index", config.index, ("image", "finding"))],
    )
    from benchmark.external.run import run  # after the flags are checked: heavy imports

    return run(config, cli.say)


if __name__ == "__main__":
    sys.exit(main())
