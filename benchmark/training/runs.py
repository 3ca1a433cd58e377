"""Folders of runs: their names, their flags, whether they are finished, and what a disk has damaged in them."""

import csv
import dataclasses
import datetime
import io
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from config import TrainConfig
from core.files import write_text, writing

log = logging.getLogger(__name__)
FOLDER_VARIABLE = "LOCUS_RUN_FOLDER"
"""Environment variable by which the processes of one distributed run share the first one's folder."""


def done(folder: Path) -> bool:
    """Whether a run is finished: its ``metrics.json`` is written last."""
    return (folder / "metrics.json").is_file()


def new(config: TrainConfig) -> Path:
    """A folder of its own for the run of ``config``, not made yet; the processes of one run get the same."""
    if os.environ.get("LOCAL_RANK", "0") == "0" or FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = str(_free(config))
    return Path(os.environ[FOLDER_VARIABLE])


def flags_dict(config: TrainConfig) -> dict[str, Any]:
    """The flags as values that JSON and YAML know; ``--resume`` is of one start, not of the run.

    >>> flags_dict(TrainConfig(lr=0.01))["lr"]
    0.01
    """
    flags = {**dataclasses.asdict(config), "resume": False}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in flags.items()}


def write_config(config: TrainConfig, folder: Path, comments: str = "") -> None:
    """Write ``config.yaml``, which ``--config`` takes, under ``comments``."""
    write_text(folder / "config.yaml", comments + yaml.safe_dump(flags_dict(config), sort_keys=False))


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV, the names of the columns first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def clear_damaged(folder: Path) -> None:
    """Remove what is cut or damaged in the ``folder`` of a run, so that it is made anew.

    Metrics and predictions follow from ``best.ckpt``. Without that, or without the ``last.ckpt`` of a run that is not
    finished, there is nothing to go on from: the whole run goes. Raises ``WriteError``.
    """
    metrics = folder / "metrics.json"
    with writing(folder):
        if done(folder) and not _evaluated(metrics, folder / "predictions.csv"):
            log.warning("%s or its predictions.csv is cut or damaged: the run is evaluated anew", metrics)
            metrics.unlink()
        needed = ("best.ckpt",) if done(folder) else ("best.ckpt", "last.ckpt")
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
    rows = sum(stated.get(split, {}).get("n", 0) for split in ("val", "test"))
    return not predictions.is_file() or predictions.read_bytes().count(b"\n") > rows  # and the names of the columns


def _free(config: TrainConfig) -> Path:
    """``<dataset>-<backbone>-<pooling>[-<attention>]-seed<seed>-<time>``, numbered where that name is taken."""
    words = [config.dataset, config.backbone, config.global_pool, config.attention_map, f"seed{config.seed}"]
    bare = [word.split(":")[0].replace("/", "_") for word in words if word != "none"]
    name = "-".join([*bare, datetime.datetime.now().strftime("%Y%m%d-%H%M%S")])
    taken = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(path for path in (Path(config.model_save_dir) / word for word in taken) if not path.exists())
