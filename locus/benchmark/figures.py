"""Entry point: draw the charts and maps of a suite for a paper, ``python -m benchmark.figures SUITE[/MODEL]``."""

import logging
import sys
from collections.abc import Sequence

from locus.config import PageConfig
from locus.core import cli

log = logging.getLogger(__name__)


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Write PDF, SVG and PNG files from records and stored maps; exit code 2 for invalid input."""
    flags = cli.first_as_flag("--suite", argv)
    config, _ = cli.parse(PageConfig, flags, "python -m benchmark.figures SUITE[/MODEL]")
    log.info("reading records and maps")  # the imports below take seconds
    from locus.benchmark.pictures.gallery import write_figures  # after the flags are checked: heavy imports

    return write_figures(config, cli.say)


if __name__ == "__main__":
    sys.exit(main())
