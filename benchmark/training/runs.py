"""Folders of runs: their names, whether they are finished, and which one a flag means."""

import dataclasses
import datetime
import os
from collections.abc import Set
from pathlib import Path
from typing import Any

import yaml

from benchmark.training import checkpoints
from config import MachineFlags, OutputFlags, TrainConfig
from core.errors import DataError
from core.files import write_text

ELSEWHERE = {field.name for part in (MachineFlags, OutputFlags) for field in dataclasses.fields(part)}
"""Flags that say where and how a run is made, not what it is."""

SHARED = "LOCUS_RUN_FOLDER"
"""Environment variable by which the processes of one distributed run share the first one's folder."""


def done(folder: Path) -> bool:
    """Whether a run is finished: its ``metrics.json`` is written last."""
    return (folder / "metrics.json").is_file()


def folder_for(config: TrainConfig) -> Path:
    """The folder of the run that ``config`` asks for: a new one, or the one that ``--resume`` means.

    Raises ``DataError`` when there is nothing to resume.
    """
    if isinstance(config.resume, str):
        return _given(Path(config.resume))
    if config.resume:
        return _newest_unfinished(config)
    if os.environ.get("LOCAL_RANK", "0") == "0" or SHARED not in os.environ:
        os.environ[SHARED] = str(_new(config))
    return Path(os.environ[SHARED])


def resumed(config: TrainConfig, typed: Set[str]) -> TrainConfig:
    """With ``--resume PATH`` the run's own flags, under those that the user ``typed``; else ``config`` as it is."""
    if not isinstance(config.resume, str):
        return config
    last = _given(Path(config.resume)) / "last.ckpt"
    own = checkpoints.configuration(checkpoints.read(last), last)
    return dataclasses.replace(own, **{name: getattr(config, name) for name in typed})


def write_config(config: TrainConfig, folder: Path) -> None:
    """Write ``config.yaml``, which ``--config`` takes."""
    write_text(folder / "config.yaml", yaml.safe_dump(checkpoints.plain(config), sort_keys=False))


def _new(config: TrainConfig) -> Path:
    """``<dataset>-<backbone>-<pooling>[-<attention>]-seed<seed>-<time>``, with a number behind it where that is taken."""
    words = [config.dataset, config.backbone, config.global_pool, config.attention_map, f"seed{config.seed}"]
    plain = [word.split(":")[0].replace("/", "_") for word in words if word != "none"]
    name = "-".join([*plain, datetime.datetime.now().strftime("%Y%m%d-%H%M%S")])
    taken = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(path for path in (Path(config.model_save_dir) / word for word in taken) if not path.exists())


def _given(path: Path) -> Path:
    folder = path if path.is_dir() else path.parent
    if not path.exists() or not (folder / "last.ckpt").is_file():
        raise DataError(f"--resume {path}: there is no last.ckpt; give a run folder, its last.ckpt, True or False")
    return folder


def _newest_unfinished(config: TrainConfig) -> Path:
    found = sorted(Path(config.model_save_dir).glob("*/last.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found:
        if not done(path.parent) and _identity(checkpoints.configuration(checkpoints.read(path), path)) == _identity(config):
            return path.parent
    raise DataError(f"--resume True: no unfinished run of these flags in {config.model_save_dir}; leave --resume out to start one")


def _identity(config: TrainConfig) -> dict[str, Any]:
    return {name: value for name, value in checkpoints.plain(config).items() if name not in ELSEWHERE}
