"""Trains every network of a suite's model: one per fold, each in a run folder of its own."""

import json
from dataclasses import replace
from pathlib import Path

from benchmark import training
from benchmark.maps.trained import Trained
from benchmark.suite.plan import ModelPlan, folder_name
from config import TrainConfig
from core.errors import DataError


def train(model: ModelPlan, runs_dir: Path, threads: int | None = None) -> list[Trained]:
    """Every training of ``model`` below ``runs_dir``; finished ones are taken as they are, killed ones go on.

    On so many CPU ``threads`` (None: all there are) unless the suite pins its own. Raises ``DataError`` for a finished
    one that saw other data than those at hand.
    """
    if model.init is not None:
        start = training.fit(_on(model.init, threads), runs_dir / folder_name(model.init, None))
        trainings = [replace(config, init_from=str(start / "best.ckpt")) for config in model.trainings]
    else:
        trainings = list(model.trainings)
    folders = [runs_dir / folder_name(config, model.init) for config in trainings]
    pairs = zip(trainings, folders, strict=True)
    trained = [Trained(config, training.fit(_on(config, threads), folder)) for config, folder in pairs]
    for run in trained:
        seen = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["data"]["test"]
        if other := run.unlike(seen):
            differ = ", ".join(other)
            raise DataError(
                f"{run.folder} was trained on other data ({differ} differ): remove the folder to train anew"
            )
    return [replace(run, other=model.other_data) for run in trained]


def _on(config: TrainConfig, threads: int | None) -> TrainConfig:
    """What is pinned stands; else so many threads, which no key knows."""
    return replace(config, threads=config.threads or threads)
