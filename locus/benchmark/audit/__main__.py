"""Entry point: scores beside published results on the same truth, ``python -m benchmark.audit FILE``."""

import logging
import sys
from collections.abc import Sequence

from locus.config import AuditConfig
from locus.flags import cli

log = logging.getLogger(__name__)


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of published results with a row for FILE; exit code 2 for invalid input."""
    config, _ = cli.parse(
        AuditConfig, cli.first_as_flag("--file", argv), "python -m benchmark.audit FILE"
    )
    log.info("reading published results")  # the imports below take seconds
    from locus.benchmark.audit import compare  # after the flags are checked: heavy imports

    compare.run(
        config.file,
        entry=config.entry,
        truth=config.truth,
        root=config.data_root_dir,
        output=config.output,
        echo=cli.say,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
