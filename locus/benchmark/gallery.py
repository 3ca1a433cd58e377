"""Entry point: write a page with cases of a suite or of scored maps, ``python -m benchmark.gallery NAME[/MODEL]``."""

import logging
import sys
from collections.abc import Sequence

from locus.config import PageConfig
from locus.flags import cli

log = logging.getLogger(__name__)


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Draw the best, median and worst cases of all methods from stored maps; exit code 2 for invalid input."""
    flags = cli.first_as_flag("--suite", argv)
    config, _ = cli.parse(PageConfig, flags, "python -m benchmark.gallery NAME[/MODEL]")
    log.info("reading records and maps")  # the imports below take seconds
    from locus.benchmark.pictures.gallery import write_gallery
    from locus.benchmark.suite.external import (
        open_entry,
    )  # suites are imported after the flags are checked
    from locus.benchmark.suite.opened import open_model

    return write_gallery(config, open_entry(config) or open_model(config), cli.say)


if __name__ == "__main__":
    sys.exit(main())
