"""What happens around each epoch: checkpoints, the curve of the run, early stopping, the progress bar."""

import csv
import io
import logging
import math
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import TQDMProgressBar

from benchmark.training import checkpoints
from benchmark.training.module import Module
from core.files import write_text

log = logging.getLogger(__name__)
PATIENCE = 5
"""Epochs that ``--early_stopping True`` waits."""


def best_epoch(history: list[dict[str, float]]) -> int:
    """Number (from 1) of the epoch with the highest validation mean AUROC; by lowest loss where no finding has both classes.

    The first of equals wins.

    >>> best_epoch([{"epoch": 1, "val_auroc": .7, "val_loss": .2}, {"epoch": 2, "val_auroc": .8, "val_loss": .3}])
    2
    """
    return int(max(history, key=_merit)["epoch"])


def stopped_early(history: list[dict[str, float]], early_stopping: bool | int) -> bool:
    """Whether the best epoch lies so far back that the run ends."""
    patience = PATIENCE if early_stopping is True else int(early_stopping)
    return patience > 0 and bool(history) and len(history) - best_epoch(history) >= patience


def _merit(row: dict[str, float]) -> float:
    return -row["val_loss"] if math.isnan(row["val_auroc"]) else row["val_auroc"]


class Keeper(lightning.Callback):
    """After each epoch: ``best.ckpt`` if it is the best so far, ``metrics.csv``, and ``last.ckpt``.

    ``last.ckpt`` comes last, so that a run killed in between repeats the epoch.
    """

    def __init__(self, module: Module, folder: Path) -> None:
        """Keeps ``module`` in ``folder``."""
        self.module, self.folder = module, folder

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write them; stop the run when it has not improved for long enough."""
        history, config = self.module.history, self.module.config
        if best_epoch(history) == len(history):
            checkpoints.save(trainer, self.folder / "best.ckpt", weights_only=True)
        if trainer.is_global_zero:
            log.info("epoch %d of %d: training loss %.4f, validation loss %.4f, validation AUROC %.3f", *_told(history[-1], config.epochs))
            write_text(self.folder / "metrics.csv", _table(history))
        checkpoints.save(trainer, self.folder / "last.ckpt", weights_only=False)
        trainer.should_stop = stopped_early(history, config.early_stopping)


class Bar(TQDMProgressBar):
    """Lightning's progress bar with images per second (of this device, since the epoch began)."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Start the clock."""
        super().on_train_epoch_start(trainer)
        self._began = time.perf_counter()

    def get_metrics(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        shown = dict(super().get_metrics(trainer, pl_module))
        shown.pop("v_num", None)
        if isinstance(pl_module, Module):
            shown["images/s"] = f"{pl_module.seen / max(time.perf_counter() - self._began, 1e-9):.0f}"
        return shown


def _told(row: dict[str, float], epochs: int) -> tuple[float, ...]:
    return row["epoch"], epochs, row["train_loss"], row["val_loss"], row["val_auroc"]


def _table(history: list[dict[str, float]]) -> str:
    """The history as CSV, one row per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
