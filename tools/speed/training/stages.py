"""Time each stage of a training step alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmark.training.batches import Batches, PrefetchLoader
from datasets.io import transforms
from tools.speed import names
from tools.speed.record import On, Row
from tools.speed.timing import Task, interleaved, row, until_done
from tools.speed.training.subject import TrainingSpeedConfig
from tools.speed.training.trainings import Training, precision, resident, step, training


def rates(on: On, config: TrainingSpeedConfig, folder: Path) -> list[Row]:
    """Return the rows of one network."""
    one = training(on, int(on["batch"]) * config.steps, folder)
    one.module.to(one.where).train()
    calls = {Task(word, images): until_done(call, one.where) for word, (images, call) in _calls(one).items()}
    measured = interleaved(calls, config.rounds)
    return [
        row("stages", on, task.contender, times, task.amount, images=task.amount) for task, times in measured.items()
    ]


def _calls(one: Training) -> dict[str, tuple[int, Callable[[], object]]]:
    """Return contender -> number of images per call, and the call."""
    size, total = one.module.config.batch_size, len(one.train)
    pixels, images = one.train[np.arange(size)][0].to(one.where), resident(one)[0]
    batches = Batches(total, size, seed=0)
    return {
        names.READ: (total, lambda: [one.train[index] for index in batches]),
        names.LOADER: (total, lambda: [None for _ in PrefetchLoader(one.train, sampler=batches, batch_size=None)]),
        names.NORMALISED: (size, partial(transforms.evaluation(), pixels)),
        names.AUGMENTED: (size, partial(transforms.training("light", torch.Generator().manual_seed(0)), pixels)),
        names.FORWARD: (size, lambda: _forward(one, images)),
        names.STEP: (size, step(one)),
    }


def _forward(one: Training, images: torch.Tensor) -> torch.Tensor:
    with precision(one):
        return one.module.model(images)
