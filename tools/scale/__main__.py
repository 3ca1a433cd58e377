"""Entry point ``python -m tools.scale``: ``--part NAME`` measures, ``--page`` writes."""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core import cli
from core.files import write_json, write_text

log = logging.getLogger(__name__)
MEASURED = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class ScaleConfig:
    """Measure the overhead of a large suite, or write the page: ``python -m tools.scale``."""

    part: Literal["scheduler", "plan", "tables", "integrated_gradients", "nih"] = "scheduler"
    """Measurement: CPU time of the scheduler and idle jobs (scheduler), a dry run (plan), tables of many cells
    (tables), the time of Integrated Gradients (integrated_gradients), or the start of a training run on generated
    files in NIH's layout, compared with a plain DataLoader (nih)."""
    cells: int = 10_000
    """Approximate number of cells. Use 2000 for tables."""
    cases: int = 1000
    """Number of cases of each cell that has rows per case."""
    folder: str = "runs/scale"
    """Folder in which nih creates its files. They are not removed."""
    images: int = 112_120
    """Number of images of nih."""
    epoch_images: int = 11_212
    """Number of images of a smaller data set of nih, for two epochs and to compare the memory."""
    img_size: int = 64
    """Side of the network's input in pixels. Small, so that reading the files takes most of the time."""
    num_workers: int = 2
    """Number of decoding processes of both loaders."""
    originals: str = ""
    """Folder of 1024x1024 PNG files to link to. Default: they are generated."""
    page: bool = False
    """Write the page without measuring."""
    output: str = "docs/scale.md"
    """Page to write."""
    measured: str = str(MEASURED)
    """JSON file of measurements."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Measure a part and write it to ``measured.json``, or write the page."""
    config, _ = cli.parse(ScaleConfig, argv, "python -m tools.scale")
    file = Path(config.measured)
    measured = json.loads(file.read_text()) if file.is_file() else {}
    if config.page:
        from tools.scale.page import page

        return write_text(config.output, page(measured))
    log.info("measuring %s", config.part)
    figures = _measured(config)
    write_json(file, {**measured, config.part: figures})
    print(json.dumps(figures))
    return None


def _measured(config: ScaleConfig) -> dict[str, Any]:
    if config.part == "nih":
        from tools.scale import first_epoch

        sizes = config.images, config.epoch_images, config.img_size, config.num_workers
        return first_epoch.measure(Path(config.folder), *sizes, Path(config.originals) if config.originals else None)
    if config.part == "integrated_gradients":
        from tools.scale import integrated_gradients

        return integrated_gradients.measure()
    from tools.scale import parts  # the page needs no torch

    figures: dict[str, Any] = getattr(parts, config.part)(config.cells, config.cases)
    return figures


if __name__ == "__main__":
    sys.exit(main())
