"""Measure the first step, the epochs and the memory of a training run."""

import ctypes
import os
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Watch(Callback):
    """Times the first step and the epochs, and stops the training after ``steps`` steps."""

    def __init__(self, steps: int) -> None:
        self.steps, self.first_step, self.epochs = steps, 0.0, []
        self.anonymous_kb = 0
        self._began = (0.0, 0.0)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clocks."""
        self._began = time.perf_counter(), used()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Record the first step, and the epoch at its last step, before validation."""
        now = time.perf_counter()
        if not self.first_step:
            self.first_step, self.anonymous_kb = now, anonymous_kb()
        if trainer.global_step == self.steps:
            raise KeyboardInterrupt
        if trainer.is_last_batch:
            seconds, cpu = now - self._began[0], used() - self._began[1]
            self.epochs.append({"images": pl_module.seen, "seconds": round(seconds, 1), "cpu_s": round(cpu, 1)})


def used() -> float:
    """Return the CPU seconds of this process and its child processes, running or finished."""
    total = sum(os.times()[:4])
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # the process has ended
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def anonymous_kb() -> int:
    """Return the anonymous memory of this process (not mapped from files) in kB, after freeing unused memory."""
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
