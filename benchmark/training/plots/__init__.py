"""Pictures of a finished run: how its classifier ranks, decides and calibrates on the test images."""

from pathlib import Path
from typing import Any

from benchmark.training.metrics.answers import Answers
from benchmark.training.plots import calibration, confusion, precision_recall, roc


def draw(folder: Path, test: Answers, found: dict[str, Any]) -> None:
    """Write ``roc.png``, ``precision_recall.png``, ``calibration.png`` and ``confusion.png`` from the ``found`` of ``assess``."""
    for part in (roc, precision_recall, calibration, confusion):
        part.draw(test, found, folder / f"{part.__name__.rpartition('.')[2]}.png")
