"""Entry point: compare two suites, networks or methods on the same cases, ``python -m benchmark.compare A B``."""

import sys
from collections.abc import Sequence

from locus.config import CompareConfig
from locus.flags import cli


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Print the differences of two suites, networks, checkpoints or methods; exit code 2 for invalid input."""
    config, _ = cli.parse(
        CompareConfig, cli.first_as_flag("--pair", argv), "python -m benchmark.compare A B"
    )
    from locus.benchmark.suite import (
        comparison,
    )  # statistics are imported after the flags are checked

    comparison.run(config.pair, results=config.results, output=config.output, echo=cli.say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
