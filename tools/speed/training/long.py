"""Measure the memory of a long training run, to see whether it grows with the number of images."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmark.training import run
from tools.speed import memory
from tools.speed.record import On, Row
from tools.speed.training.trainings import training

TENTHS = 10
ANONYMOUS = "RssAnon"
"""Field of /proc/self/status: memory that is not mapped from files."""


def watched(on: On, images: int) -> list[Row]:
    """Cache and train ``images`` images in a new process; return rows of anonymous memory in MiB."""
    return memory.fresh(_measured, on, images, torch.get_num_threads())


def _measured(on: On, images: int, threads: int) -> list[Row]:
    """Measure in the new process."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        warm = training(on, int(on["batch"]), Path(folder), epochs=1, precision="32")
        run.run_epochs(warm.module, warm.splits, warm.folder, (0, 0))
        loaded, begun = memory.status(ANONYMOUS), time.perf_counter()
        one = training(on, images, Path(folder), epochs=1, precision="32")
        parts = MemoryPerTenth()
        run.run_epochs(one.module, one.splits, one.folder, (0, 0), parts)
        array, seconds = one.train.pixels.images.nbytes / 2**20, time.perf_counter() - begun
    on |= {"images": images, "array": round(array, 1), "seconds": round(seconds, 1)}
    figures = {
        "packages and network, one epoch of one batch done": loaded,
        **{f"from {10 * n} to {10 * (n + 1)}% of the epoch": mib for n, mib in enumerate(parts.medians)},
    }
    return [Row(group="long", on=on, contender=when, figures={"mib": mib}) for when, mib in figures.items()]


class MemoryPerTenth(Callback):
    """Median memory of each tenth of an epoch, measured after each step."""

    def __init__(self) -> None:
        self._looks: list[list[float]] = [[] for _ in range(TENTHS)]

    @property
    def medians(self) -> list[float | None]:
        """MiB of each tenth; None if the system does not report it."""
        return [round(statistics.median(looks), 1) if looks else None for looks in self._looks]

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Measure the memory."""
        if (now := memory.status(ANONYMOUS)) is not None:
            self._looks[index * TENTHS // int(trainer.num_training_batches)].append(now)
