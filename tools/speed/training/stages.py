"""Each part of a step alone: what is far faster than the step never makes it wait."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmark.training.data import Batches, loader
from datasets.io import transforms
from tools.speed.record import Setting
from tools.speed.timing import Task, finished, interleaved
from tools.speed.training import timed
from tools.speed.training.config import TrainingSpeedConfig
from tools.speed.training.record import AUGMENT, FORWARD, LOADER, PLAIN, READ, STEP, Rate
from tools.speed.training.trainings import Training, precision, resident, step, training


def rates(setting: Setting, where: str, config: TrainingSpeedConfig, folder: Path) -> list[Rate]:
    """The rows of one network."""
    one = training(setting, where, setting.batch * config.steps, folder)
    one.module.to(where).train()
    calls = {Task(word, amount): finished(call, where) for word, (amount, call) in _calls(one).items()}
    measured = interleaved(calls, config.rounds)
    return [timed.row("stages", where, setting, task.contender, task.amount, times) for task, times in measured.items()]


def _calls(one: Training) -> dict[str, tuple[int, Callable[[], object]]]:
    """Contender -> images of a call, and the call."""
    size, everything = one.module.config.batch, len(one.train)
    pixels, images = one.train[np.arange(size)][0].to(one.where), resident(one)[0]
    batches = Batches(everything, size, seed=0)
    return {
        READ: (everything, lambda: [one.train[index] for index in batches]),
        LOADER: (everything, lambda: [None for _ in loader(one.train, batches)]),
        PLAIN: (size, partial(transforms.evaluation(), pixels)),
        AUGMENT: (size, partial(transforms.training("light", torch.Generator().manual_seed(0)), pixels)),
        FORWARD: (size, lambda: _forward(one, images)),
        STEP: (size, step(one)),
    }


def _forward(one: Training, images: torch.Tensor) -> torch.Tensor:
    with precision(one):
        return one.module.model(images)
