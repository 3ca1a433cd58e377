"""Entry point: training runs and patients needed to detect differences, ``python -m benchmark.power --suite NAME``."""

import sys
from collections.abc import Sequence

from config import PowerConfig
from core import cli


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Print the variance components of a suite, and the training runs and patients needed to detect differences."""
    config, _ = cli.parse(PowerConfig, argv, "python -m benchmark.power")
    from benchmark.report.leaderboard.components import power_text

    cli.say(power_text(config.suite, config.results))


if __name__ == "__main__":
    sys.exit(main())
