"""Entry point: the charts of a suite and its maps for a paper, ``python -m benchmark.figures SUITE[/MODEL]``."""

import sys
from collections.abc import Sequence

from config import PageConfig
from core import cli


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Draw them as PDF, SVG and PNG, from records and stored maps; 2 for bad input."""
    flags = cli.first_as_flag("--suite", argv)
    config, _ = cli.parse(PageConfig, flags, "python -m benchmark.figures SUITE[/MODEL]")
    from benchmark.gallery.figures import run  # charts are imported when the flags are right

    return run(config, cli.say)


if __name__ == "__main__":
    sys.exit(main())
