"""A training that says when it listed its images, made its first step and ended its epochs; a process of its own.

``python -m tools.scale.watched STEPS --flag value ...``: flags of main.py; it stops after so many steps (0: never) and
prints a line of JSON.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.training import run
from benchmark.training.data import SplitImages
from benchmark.training.lightning import Callback, LightningModule, Trainer
from benchmark.training.prepare import prepare
from config import TrainConfig
from core import cli
from datasets.io.decoding_worker import MISSING


class Watch(Callback):
    """Times of steps and epochs; ends the training after ``steps`` steps."""

    def __init__(self, steps: int) -> None:
        self.steps, self.first_step, self.epochs = steps, 0.0, []
        self.anonymous_kb = 0
        self._began = (0.0, 0.0)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clocks."""
        self._began = time.perf_counter(), used()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Note the first step; close the epoch's clocks with its last one, before its validation."""
        now = time.perf_counter()
        if not self.first_step:
            self.first_step, self.anonymous_kb = now, anonymous_kb()
        if trainer.global_step == self.steps:
            raise KeyboardInterrupt
        if trainer.is_last_batch:
            seconds, cpu = now - self._began[0], used() - self._began[1]
            self.epochs.append({"images": pl_module.seen, "seconds": round(seconds, 1), "cpu_s": round(cpu, 1)})


def used() -> float:
    """Seconds of the processor, of this process and of those that it has started and that still run or are done."""
    total = sum(os.times()[:4])
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def anonymous_kb() -> int:
    """Memory of this process that no file holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def watched(config: TrainConfig, steps: int) -> dict[str, Any]:
    """Train; what was seen."""
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        module, splits = prepare(config, Path(name))
        listed, known = time.perf_counter(), _decoded(splits["train"])
        watch = Watch(steps)
        with contextlib.suppress(KeyboardInterrupt):
            run.epochs(module, splits, Path(name), None, watch)
    return {
        "images": len(splits["train"]), "listed": sum(map(len, splits.values())), "listed_s": round(listed - began, 2), "decoded_before": known,
        "first_step_s": round(watch.first_step - listed, 2), "decoded_after": _decoded(splits["train"]),
        "anonymous_kb": watch.anonymous_kb, "epochs": watch.epochs,
    }  # fmt: skip


def _decoded(split: SplitImages) -> int:
    return int(np.count_nonzero(split.pixels.states != MISSING))


@cli.entry_point
def main(argv: list[str] | None = None) -> None:
    """Train and print."""
    words = sys.argv[1:] if argv is None else argv
    config, _ = cli.parse(TrainConfig, words[1:], "python -m tools.scale.watched STEPS")
    print(json.dumps(watched(config, int(words[0]))))


if __name__ == "__main__":
    sys.exit(main())
