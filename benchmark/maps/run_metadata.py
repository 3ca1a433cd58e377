"""Metadata of a given run or checkpoint that a suite scores."""

from pathlib import Path
from typing import Any

import datasets
from benchmark.maps.code import network_code
from benchmark.maps.unseen_images import GivenModel
from benchmark.training import load
from config import TrainConfig
from core import cli
from core.errors import DataError
from core.files import file_hash
from core.flags import DATA, MACHINE, MAPS, flags_with
from datasets.io.tables import read_list


def read(path: Path, name: str | None = None, trained_on: str | None = None) -> tuple[GivenModel, dict[str, Any]]:
    """Return the network of a run folder or checkpoint, called ``name`` in tables, and the flags that describe it.

    ``trained_on`` overrides the training data recorded in the run. Raises ``DataError`` for a path that is not a run.
    """
    checkpoint = load.checkpoint(path)
    config, stamp = checkpoint.config, checkpoint.stamp
    network = str(stamp["model"].get("network", ""))
    wiring = stamp["model"].get("wiring")
    by_us = bool(checkpoint.content.get("history"))  # converted runs and external networks have none
    declared = trained_on or checkpoint.trained_on
    images = _listed_images(declared)
    if images:
        declared = f"{len(images)} images of {Path(declared).name} ({file_hash(declared)[:8]})"
    model = GivenModel(
        name=name or stamp.get("entry") or (path if path.is_dir() else path.parent).resolve().name,
        checkpoint=path / "best.ckpt" if path.is_dir() else path,
        digest=checkpoint.digest,
        code=network_code(stamp["model"]),
        findings=checkpoint.findings,
        pooling=config.global_pool if wiring is None else wiring["pooling"] if wiring["head"] else "",
        network=network,
        trained_on=declared,
        trained=config if by_us and not trained_on else _default_split(declared),
        trained_images=images,
    )
    return model, {name: getattr(config, name) for name in {*flags_with(TrainConfig, MAPS), "seed"}}


def _listed_images(declared: str) -> frozenset[str]:
    """Return the images listed in a .txt or .csv file, one per line; empty for another word.

    Raises ``DataError`` for a missing, empty or broken list.
    """
    if not declared.lower().endswith((".txt", ".csv")):
        return frozenset()
    images = frozenset(read_list(Path(declared))[0])
    if not images:
        raise DataError(f"{declared} lists no training image: write one name per line")
    return images


def _default_split(declared: str) -> TrainConfig | None:
    """Return the default split of the data set with this name; None if there is no such data set."""
    if declared.split(":")[0] not in datasets.names():
        return None
    names = flags_with(TrainConfig, DATA | MACHINE)
    values = {**cli.defaults_of(TrainConfig, {"dataset": declared}), "dataset": declared}
    return cli.build(TrainConfig, {name: value for name, value in values.items() if name in names})
