"""A finished network on a suite's images: what a training would have left there, without a training."""

import shutil
from pathlib import Path

from benchmark.maps.entry import Entry, images_of
from benchmark.maps.trained import Trained
from benchmark.training import data, machine, memory, runs
from benchmark.training.evaluate import HELD_OUT, evaluate
from config import TrainConfig
from core.files import atomic, stem


def score_entry(entry: Entry, config: TrainConfig, runs_dir: Path) -> Trained:
    """``entry`` below ``runs_dir`` with its predictions for the held-out images of ``config``.

    They are made once. Raises ``core.errors`` types for what the data lack, or know of none of its findings.
    """
    folder = runs_dir / f"{stem(entry.name)}-fold{config.fold}-{entry.digest[:8]}"
    trained = Trained(config, folder, recorded_digest=entry.digest, entry=entry)
    if not runs.done(folder):
        machine.configure_torch(config.threads)
        splits = {name: data.decode(config, images_of(config, name, entry)) for name in HELD_OUT}
        with atomic(folder / "best.ckpt") as temporary:
            shutil.copyfile(entry.checkpoint, temporary)
        with memory.enough("lower --batch_size"):
            evaluate(folder, config, splits, {})
    return trained
