"""Pictures of a finished run: how its classifier ranks, decides and calibrates on the test images."""

from pathlib import Path
from typing import Any

from benchmark.training.metrics.predictions import Predictions
from benchmark.training.plots import calibration, confusion, precision_recall, roc


def draw(folder: Path, test: Predictions, metrics: dict[str, Any]) -> None:
    """Write ``roc.png``, ``precision_recall.png``, ``calibration.png`` and ``confusion.png`` of ``metrics``."""
    for part in (roc, precision_recall, calibration, confusion):
        part.draw(test, metrics, folder / f"{part.__name__.rpartition('.')[2]}.png")
