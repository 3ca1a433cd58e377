"""Measure the memory of a long training run, to see whether it grows with the number of images."""

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from benchmark.training import run
from benchmark.training.lightning import Callback, LightningModule, Trainer
from tools.speed import memory
from tools.speed.record import On, Row
from tools.speed.training.trainings import training

TENTHS = 10
EACH = 0.2
"""Seconds between two measurements."""


def watched(on: On, images: int) -> list[Row]:
    """Cache and train ``images`` images in a new process; return rows of anonymous memory in MiB."""
    return memory.fresh(_measured, on, images, torch.get_num_threads())


def _measured(on: On, images: int, threads: int) -> list[Row]:
    """Measure in the new process."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        warm = training(on, int(on["batch"]), Path(folder), epochs=1, precision="32")
        run.epochs(warm.module, warm.splits, warm.folder, None)
        loaded, begun = private(), time.perf_counter()
        with PeakWatch() as caching:
            one = training(on, images, Path(folder), epochs=1, precision="32")
        parts = MemoryPerTenth()
        with PeakWatch() as peak:
            run.epochs(one.module, one.splits, one.folder, None, parts)
        array, seconds = one.train.pixels.images.nbytes / 2**20, time.perf_counter() - begun
    on |= {"images": images, "array": round(array, 1), "seconds": round(seconds, 1)}
    figures = {
        "packages and network, one epoch of one batch done": loaded,
        "peak while caching, all processes together": caching.mib,
        **{f"from {10 * n} to {10 * (n + 1)} % of the epoch": mib for n, mib in enumerate(parts.medians)},
        "peak while training": peak.mib,
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
        now = private()
        if now is not None:
            self._looks[index * TENTHS // int(trainer.num_training_batches)].append(now)


class PeakWatch(threading.Thread):
    """Peak memory of this process and its children within the block, measured every ``EACH`` seconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mib: float | None = None
        self._over = threading.Event()

    def run(self) -> None:
        """Measure repeatedly."""
        while not self._over.wait(EACH):
            by_process = [private(pid) for pid in ("self", *_children())]
            total = sum(mib for mib in by_process if mib is not None)
            self.mib = max(round(total, 1), self.mib or 0.0) if total else None

    def __enter__(self) -> "PeakWatch":
        """Start measuring."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop measuring."""
        self._over.set()
        self.join()


def private(pid: str = "self") -> float | None:
    """Return the anonymous memory of a process in MiB, shared pages divided; None if the system does not report it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # no /proc, or the process has ended
        return None
    sizes = [int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss_Anon:")]
    return round(sizes[0], 1) if sizes else None


def _children() -> list[str]:
    """Return the child processes. ``multiprocessing.active_children`` would join them, in the wrong thread."""
    return [stat.parent.name for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == str(os.getpid())]


def _parent(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[1]
    except OSError:  # the process has ended
        return ""
