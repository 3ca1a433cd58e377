"""Entry point: verify records, ``python -m benchmark.verify --all`` or ``--suite demo``."""

import sys
from collections.abc import Sequence

from config import VerifyConfig
from core import cli


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Score records again from stored maps; exit code 1 unless all match, 2 for invalid input."""
    config, _ = cli.parse(VerifyConfig, argv, "python -m benchmark.verify")
    from benchmark.suite.verify.run import run  # suites are imported after the flags are checked

    return run(config, cli.say)


if __name__ == "__main__":
    sys.exit(main())
