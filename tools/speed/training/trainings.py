"""Training runs as in main.py, on generated images."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.training import machine, optimizers
from benchmark.training.data import SplitImages
from benchmark.training.machine import memory_format
from benchmark.training.module import ClassifierModule
from benchmark.training.prepare import prepare
from config import TrainConfig
from datasets.io import transforms
from tools.speed.names import CPU
from tools.speed.record import On

FOLDERS = itertools.count()


@dataclass(frozen=True)
class Training:
    """Prepared training run: module, splits and folder."""

    module: ClassifierModule
    splits: dict[str, SplitImages]
    folder: Path
    where: str
    """``cpu`` or ``cuda``."""

    @property
    def train(self) -> SplitImages:
        """The training images."""
        return self.splits["train"]


def training(on: On, images: int, folder: Path, **flags: Any) -> Training:
    """Prepare a training run of ``images`` images in ``folder``; ``flags``: other flags of main.py."""
    where = str(on["device"])
    run_folder = folder / f"run{next(FOLDERS)}"
    config = replace(
        TrainConfig(),
        dataset=f"phantom:train={images},val={on['batch']},test=1",
        backbone=str(on["backbone"]),
        img_size=int(on["size"]),
        batch_size=int(on["batch"]),
        pretrained=False,
        num_GPU=0 if where == CPU else 1,
        threads=torch.get_num_threads(),
        model_save_dir=str(folder),
        cache_dir=str(folder / "cache"),
        logger=("csv",),
        **flags,
    )
    module, splits = prepare(config, run_folder)
    for split in splits.values():
        split.pixels.complete()
    return Training(module, splits, run_folder, where)


def resident(one: Training) -> tuple[Tensor, Tensor]:
    """Return the first batch, normalised and on the device: (N,3,S,S) and (N,K)."""
    pixels, labels = one.train[np.arange(one.module.config.batch_size)]
    images = transforms.evaluation()(pixels.to(one.where))
    return images.contiguous(memory_format=memory_format(one.module.config.channels_last)), labels.to(one.where)


def step(one: Training) -> Callable[[], None]:
    """Return a step of the network alone on a resident batch, with the optimizer and the precision of the run."""
    module, config = one.module, one.module.config
    optimizer, batch = optimizers.build(config, module.model.parameters()), resident(one)
    parts = list(zip(*(values.chunk(config.accumulate) for values in batch), strict=True))

    def call() -> None:
        for images, labels in parts:
            with precision(one):
                loss = module.loss(module.model(images), labels)
            (loss / len(parts) if len(parts) > 1 else loss).backward()
        optimizer.step()
        optimizer.zero_grad()
        if module.average is not None:
            module.average.update_parameters(module.model)

    return call


def precision(one: Training) -> torch.autocast:
    """Return the autocast context of the run's precision."""
    return torch.autocast(one.where, torch.bfloat16, enabled=machine.precision_here(one.module.config) == "bf16-mixed")
