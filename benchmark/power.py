"""Entry point: how many training runs and patients separate rows, ``python -m benchmark.power --suite NAME``."""

import sys
from collections.abc import Sequence

from config import PowerConfig
from core import cli


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Print a suite's variance components, and the precision with other numbers of training runs and patients."""
    config, _ = cli.parse(PowerConfig, argv, "python -m benchmark.power")
    from benchmark.report.leaderboard.components import power_text

    cli.say(power_text(config.suite, config.results))


if __name__ == "__main__":
    sys.exit(main())
