"""Door: ``python -m tools.scale --part scheduler`` (or plan, tables) measures, ``--page`` writes docs/scale.md."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core import cli
from core.files import write_json, write_text

MEASURED = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class ScaleConfig:
    """Measure one part of what a large suite costs beside its steps, or write the page: ``python -m tools.scale``."""

    part: Literal["scheduler", "plan", "tables"] = "scheduler"
    """scheduler: its cost per cell, and idle jobs; plan: a dry run; tables: of many cells with many cases."""
    cells: int = 10_000
    """About how many cells; of tables take 2000."""
    cases: int = 1000
    """Cases of each cell that has rows per case."""
    page: bool = False
    """Measure nothing: write the page."""
    output: str = "docs/scale.md"
    """The page."""


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Keep the figures of a part in ``measured.json``, or write the page from it."""
    config, _ = cli.parse(ScaleConfig, argv, "python -m tools.scale")
    measured = json.loads(MEASURED.read_text()) if MEASURED.is_file() else {}
    if config.page:
        from tools.scale.page import page

        return write_text(config.output, page(measured))
    from tools.scale import parts  # the page needs no torch

    figures = getattr(parts, config.part)(config.cells, config.cases)
    write_json(MEASURED, {**measured, config.part: figures})
    print(json.dumps(figures))
    return None


if __name__ == "__main__":
    sys.exit(main())
