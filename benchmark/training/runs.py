"""Folders of runs: their names, and whether they are finished."""

import datetime
import os
from pathlib import Path

import yaml

from benchmark.training import checkpoints
from config import TrainConfig
from core.files import write_text

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


def write_config(config: TrainConfig, folder: Path) -> None:
    """Write ``config.yaml``, which ``--config`` takes."""
    write_text(folder / "config.yaml", yaml.safe_dump(checkpoints.plain(config), sort_keys=False))


def _free(config: TrainConfig) -> Path:
    """``<dataset>-<backbone>-<pooling>[-<attention>]-seed<seed>-<time>``, numbered where that name is taken."""
    words = [config.dataset, config.backbone, config.global_pool, config.attention_map, f"seed{config.seed}"]
    plain = [word.split(":")[0].replace("/", "_") for word in words if word != "none"]
    name = "-".join([*plain, datetime.datetime.now().strftime("%Y%m%d-%H%M%S")])
    taken = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(path for path in (Path(config.model_save_dir) / word for word in taken) if not path.exists())
