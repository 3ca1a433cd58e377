"""Predict a suite's images with a given model, and write the same files as a training run."""

import shutil
from pathlib import Path

from benchmark.maps.unseen_images import GivenModel, images_of
from benchmark.training import data, machine, memory, runs
from benchmark.training.evaluate import HELD_OUT, evaluate
from config import TrainConfig
from core.files import atomic


def predict_held_out(model: GivenModel, config: TrainConfig, folder: Path) -> None:
    """Write a copy of ``model`` and its predictions for the held-out images of ``config`` to ``folder``, once.

    Raises ``LocusError`` for incomplete data, or data without any of its findings.
    """
    if runs.done(folder):
        return
    machine.configure_torch(config.threads)
    splits = {name: data.decode(config, images_of(config, name, model)) for name in HELD_OUT}
    with atomic(folder / "best.ckpt") as temporary:
        shutil.copyfile(model.checkpoint, temporary)
    with memory.oom_as_error("lower --batch_size"):
        evaluate(folder, config, splits, {}, trust=True)  # the plan has already checked --trust
