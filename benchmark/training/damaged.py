"""What a disk has damaged in the folder of a run: it is found out, told, and made anew."""

import json
import logging
import shutil
import zipfile
from pathlib import Path

from core.files import writing

log = logging.getLogger(__name__)


def clear(folder: Path) -> None:
    """Remove what is cut or damaged in the ``folder`` of a run, so that it is made anew.

    Metrics and predictions follow from ``best.ckpt``. Without that, or without the ``last.ckpt`` of a run that is not
    finished, there is nothing to go on from: the whole run goes. Raises ``WriteError``.
    """
    metrics = folder / "metrics.json"
    with writing(folder):
        if metrics.is_file() and not _evaluated(metrics, folder / "predictions.csv"):
            log.warning("%s or its predictions.csv is cut or damaged: the run is evaluated anew", metrics)
            metrics.unlink()
        needed = ("best.ckpt",) if metrics.is_file() else ("best.ckpt", "last.ckpt")
        for file in (folder / name for name in needed):
            if file.is_file() and not zipfile.is_zipfile(file):
                log.warning("%s is cut or damaged: the run is trained anew", file)
                shutil.rmtree(folder)


def _evaluated(metrics: Path, predictions: Path) -> bool:
    """Whether the metrics can be read and the predictions, where there are any, have as many rows as those state."""
    try:
        stated = json.loads(metrics.read_text(encoding="utf-8"))
    except ValueError:
        return False
    rows = predictions.read_bytes().count(b"\n") - 1 if predictions.is_file() else None
    return rows is None or rows >= sum(stated.get(split, {}).get("n", 0) for split in ("val", "test"))
