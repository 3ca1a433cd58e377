"""Predict a suite's images with a finished network, and write the same files as a training run."""

import shutil
from pathlib import Path

from benchmark.maps.finished import FinishedModel, images_of
from benchmark.training import data, machine, memory, runs
from benchmark.training.evaluate import HELD_OUT, evaluate
from config import TrainConfig
from core.files import atomic


def predict_held_out(finished: FinishedModel, config: TrainConfig, folder: Path) -> None:
    """Write a copy of ``finished`` and its predictions for the held-out images of ``config`` to ``folder``, once.

    Raises ``LocusError`` for incomplete data, or data without any of its findings.
    """
    if runs.done(folder):
        return
    machine.configure_torch(config.threads)
    splits = {name: data.decode(config, images_of(config, name, finished)) for name in HELD_OUT}
    with atomic(folder / "best.ckpt") as temporary:
        shutil.copyfile(finished.checkpoint, temporary)
    with memory.oom_as_error("lower --batch_size"):
        evaluate(folder, config, splits, {}, trust=True)  # the plan has already checked --trust
