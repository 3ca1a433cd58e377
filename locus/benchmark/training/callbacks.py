"""Callbacks and loggers of a run: what happens after each epoch, and when it is interrupted.

``CheckpointWriter``  best.ckpt, metrics.csv, and last.ckpt, which has everything needed to resume an interrupted run
``Interrupts``        Ctrl-C and SIGTERM stop a run between two batches
``stopped_early``, ``kept_epoch``  early stopping, and the epoch in best.ckpt
``build``             the loggers TensorBoard and Weights & Biases, in addition to metrics.csv
"""

import logging
import math
import signal
import threading
from collections.abc import Collection
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from locus.benchmark.training.module import ClassifierModule
from locus.core.errors import require_extra
from locus.core.files import csv_text, write_text, writing

log = logging.getLogger(__name__)
DEFAULT_PATIENCE_EPOCHS = 5
"""Patience of ``--early_stopping True``, in epochs."""


def best_epoch(history: list[dict[str, float]]) -> int:
    """Return the number (from 1) of the epoch with the highest mean validation AUROC, the first if tied.

    If no finding has both classes, it is the epoch with the lowest validation loss.

    >>> best_epoch([{"epoch": 1, "val_auroc": .7, "val_loss": .2}, {"epoch": 2, "val_auroc": .8, "val_loss": .3}])
    2
    """
    return int(max(history, key=_merit)["epoch"])


def kept_epoch(history: list[dict[str, float]], keep: str) -> int:
    """Return the number (from 1) of the epoch in ``best.ckpt``: the last or the best one, according to ``keep``.

    >>> kept_epoch([{"epoch": 1.0}, {"epoch": 2.0}], "last")
    2
    """
    return len(history) if keep == "last" else best_epoch(history)


def stopped_early(history: list[dict[str, float]], early_stopping: bool | int) -> bool:
    """Whether the run stops because the last best epoch is too long ago.

    ``early_stopping``: patience in epochs; True for ``DEFAULT_PATIENCE_EPOCHS``, False for never.
    """
    patience = DEFAULT_PATIENCE_EPOCHS if early_stopping is True else int(early_stopping)
    return patience > 0 and bool(history) and len(history) - best_epoch(history) >= patience


def _merit(row: dict[str, float]) -> float:
    return -row["val_loss"] if math.isnan(row["val_auroc"]) else row["val_auroc"]


def save(trainer: Trainer, path: Path, weights_only: bool) -> None:
    """Write the state of the run (``weights_only``: without the optimizer) to ``path`` atomically.

    All processes must call it. Raises ``DataError`` if the file cannot be written; an older file stays unchanged.
    """
    temporary = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            trainer.save_checkpoint(temporary, weights_only=weights_only)
            if trainer.is_global_zero:
                temporary.replace(path)
        finally:
            if trainer.is_global_zero:
                temporary.unlink(missing_ok=True)


class CheckpointWriter(Callback):
    """Writes ``best.ckpt`` if it improved, ``metrics.csv`` and ``last.ckpt`` after each epoch.

    ``last.ckpt`` is written last, so that a run killed in between repeats the epoch. Lightning's ``ModelCheckpoint``
    forgets the best epoch if the folder has moved, and moves its files from ``/tmp``, which is not atomic on another
    disk. Its ``EarlyStopping`` keeps the old patience if a run resumes with another one.
    """

    def __init__(self, module: ClassifierModule, folder: Path, keep: str, early_stopping: bool | int) -> None:
        """Write the checkpoints of ``module`` to ``folder``; see ``kept_epoch`` and ``stopped_early``."""
        self.module, self.folder, self.keep, self.early_stopping = module, folder, keep, early_stopping

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files; stop the run if it has not improved for long enough."""
        history = self.module.history
        if kept_epoch(history, self.keep) == len(history):
            save(trainer, self.folder / "best.ckpt", weights_only=True)
        if trainer.is_global_zero:
            rows = ([row[name] for name in history[0]] for row in history)
            write_text(self.folder / "metrics.csv", csv_text([history[0], *rows]))
        save(trainer, self.folder / "last.ckpt", weights_only=False)
        trainer.should_stop = stopped_early(history, self.early_stopping)


class Interrupts(Callback):
    """Ctrl-C and SIGTERM stop a run before the next batch; ``last.ckpt`` has the last complete epoch.

    An exception in a signal handler may be lost, so the handler only notes the signal. A second one stops the run at
    once.
    """

    def __init__(self, advice: str) -> None:
        """Make the callback; the ``advice`` says how to continue."""
        self.advice, self.received = advice, 0

    def on_train_start(self, *_: Any, **__: Any) -> None:
        """Install the signal handlers; Lightning restores the earlier ones at the end."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._note)

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        """Stop if a signal has arrived; Lightning ends its other processes."""
        if self.received:
            raise KeyboardInterrupt

    on_validation_batch_start = on_train_epoch_end = on_train_batch_start

    def _note(self, number: int, _: FrameType | None) -> None:
        self.on_train_batch_start()
        self.received = number


def check(names: Collection[str]) -> None:
    """Raise ``NotAvailableError`` for a logger whose package is not installed."""
    if "wandb" in names:
        require_extra("wandb", "wandb", "--logger wandb")


def build(names: Collection[str], log_dir: str, run: str) -> list[Logger]:
    """Return the loggers ``names`` of the run with the name ``run``; a resumed run appends to its existing curves."""
    built: list[Logger] = []
    if "tensorboard" in names:
        built.append(TensorBoardLogger(log_dir, name=run, version=""))
    if "wandb" in names:
        import wandb  # type: ignore[import-not-found,unused-ignore]  # optional package

        wandb.finish()  # an earlier training of this process
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        built.append(WandbLogger(run, log_dir, id=run, project="locus", resume="allow"))
    return built
