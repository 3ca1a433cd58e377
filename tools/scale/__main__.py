"""Entry point: ``python -m tools.scale --part scheduler`` (or plan, tables, nih) measures, ``--page`` writes a page."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core import cli
from core.files import write_json, write_text

MEASURED = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class ScaleConfig:
    """Measure one part of what a large suite costs beside its steps, or write the page: ``python -m tools.scale``."""

    part: Literal["scheduler", "plan", "tables", "nih"] = "scheduler"
    """scheduler: its cost per cell, and idle jobs; plan: a dry run; tables: of many cells with many cases; nih: the
    first minutes of a training on a made-up tree of NIH's real layout, beside a plain DataLoader."""
    cells: int = 10_000
    """About how many cells; of tables take 2000."""
    cases: int = 1000
    """Cases of each cell that has rows per case."""
    folder: str = "runs/scale"
    """Where nih makes its trees, which stay there."""
    images: int = 112_120
    """Images of the whole tree."""
    epoch_images: int = 11_212
    """Images of a smaller tree: two epochs of it are trained, and its memory is compared with that of the whole."""
    img_size: int = 64
    """Pixels of a side: a small network on small images, so that reading decides."""
    num_workers: int = 2
    """Processes that decode, of both loaders."""
    originals: str = ""
    """Folder of 1024x1024 PNG files to which the tree links; empty: they are drawn."""
    page: bool = False
    """Measure nothing: write the page."""
    output: str = "docs/scale.md"
    """The page."""
    measured: str = str(MEASURED)
    """File of the figures."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Keep the figures of a part in ``measured.json``, or write the page from it."""
    config, _ = cli.parse(ScaleConfig, argv, "python -m tools.scale")
    file = Path(config.measured)
    measured = json.loads(file.read_text()) if file.is_file() else {}
    if config.page:
        from tools.scale.page import page

        return write_text(config.output, page(measured))
    figures = _measured(config)
    write_json(file, {**measured, config.part: figures})
    print(json.dumps(figures))
    return None


def _measured(config: ScaleConfig) -> dict[str, Any]:
    if config.part == "nih":
        from tools.scale import first_epoch

        sizes = config.images, config.epoch_images, config.img_size, config.num_workers
        return first_epoch.measure(Path(config.folder), *sizes, Path(config.originals) if config.originals else None)
    from tools.scale import parts  # the page needs no torch

    figures: dict[str, Any] = getattr(parts, config.part)(config.cells, config.cases)
    return figures


if __name__ == "__main__":
    sys.exit(main())
