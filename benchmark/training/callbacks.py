"""Callbacks after each epoch: checkpoints, curves of loss and AUROC, early stopping."""

import csv
import io
import math
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmark.training import checkpoints
from benchmark.training.module import ClassifierModule
from core.files import write_text

PATIENCE = 5
"""Epochs that ``--early_stopping True`` waits."""


def best_epoch(history: list[dict[str, float]]) -> int:
    """Number (from 1) of the epoch with the highest validation mean AUROC, the first of equals.

    Where no finding has both classes it is the one with the lowest validation loss.

    >>> best_epoch([{"epoch": 1, "val_auroc": .7, "val_loss": .2}, {"epoch": 2, "val_auroc": .8, "val_loss": .3}])
    2
    """
    return int(max(history, key=_merit)["epoch"])


def kept_epoch(history: list[dict[str, float]], keep: str) -> int:
    """Number (from 1) of the epoch whose weights ``best.ckpt`` holds: the last one, or the best, as ``keep`` says.

    >>> kept_epoch([{"epoch": 1.0}, {"epoch": 2.0}], "last")
    2
    """
    return len(history) if keep == "last" else best_epoch(history)


def stopped_early(history: list[dict[str, float]], early_stopping: bool | int) -> bool:
    """Whether the best epoch lies so far back that the run ends.

    ``early_stopping``: the patience in epochs, True for ``PATIENCE``, False for never.
    """
    patience = PATIENCE if early_stopping is True else int(early_stopping)
    return patience > 0 and bool(history) and len(history) - best_epoch(history) >= patience


def _merit(row: dict[str, float]) -> float:
    return -row["val_loss"] if math.isnan(row["val_auroc"]) else row["val_auroc"]


class CheckpointWriter(Callback):
    """After each epoch: ``best.ckpt`` if it is the one to keep so far, ``metrics.csv``, and ``last.ckpt``.

    ``last.ckpt`` comes last, so that a run killed in between repeats the epoch.
    """

    def __init__(self, module: ClassifierModule, folder: Path) -> None:
        """Keeps ``module`` in ``folder``."""
        self.module, self.folder = module, folder

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write them; stop the run when it has not improved for long enough."""
        history, config = self.module.history, self.module.config
        if kept_epoch(history, config.keep) == len(history):
            checkpoints.save(trainer, self.folder / "best.ckpt", weights_only=True)
        if trainer.is_global_zero:
            write_text(self.folder / "metrics.csv", _table(history))
        checkpoints.save(trainer, self.folder / "last.ckpt", weights_only=False)
        trainer.should_stop = stopped_early(history, config.early_stopping)


def _table(history: list[dict[str, float]]) -> str:
    """The history as CSV, one row per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
