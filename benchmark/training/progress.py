"""How fast a run goes and how long it will last: a bar on a terminal, a line per epoch in a log."""

import datetime
import logging
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from benchmark.training.module import ClassifierModule

log = logging.getLogger(__name__)


class Pace(Callback):
    """Says after each epoch what it came to, how many images per second, and how long the run will last.

    Images per second are those of all processes in the training part of the epoch; the rest lasts as long as this epoch
    did.
    """

    def __init__(self, module: ClassifierModule) -> None:
        """Of the training of ``module``."""
        self.module = module
        self._epoch = self._validation = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, also where a run goes on in the middle of an epoch."""
        self._epoch = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start it anew."""
        self._epoch = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The training part is over."""
        self._validation = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log a line on the epoch."""
        if not trainer.is_global_zero:
            return
        row, epochs = self.module.history[-1], self.module.config.epochs
        rate = self.module.seen * trainer.world_size / max(self._validation - self._epoch, 1e-9)
        left = (epochs - row["epoch"]) * (time.perf_counter() - self._epoch)
        text = "epoch %d of %d: training loss %.4f, validation loss %.4f, validation AUROC %.3f; %.0f images/s, %s left"
        log.info(text, row["epoch"], epochs, row["train_loss"], row["val_loss"], row["val_auroc"], rate, duration(left))


class Bar(TQDMProgressBar):
    """Lightning's bar with the images per second of all processes and the time left of the run."""

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        """Start the clock, also where a run goes on in the middle of an epoch."""
        super().on_train_start(trainer)
        self._began, self._steps = time.perf_counter(), 0

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Start it anew."""
        super().on_train_epoch_start(trainer)
        self._began, self._steps = time.perf_counter(), 0

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **named: Any) -> None:
        """Count the step."""
        self._steps += 1
        super().on_train_batch_end(trainer, *args, **named)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        shown = dict(super().get_metrics(trainer, pl_module))
        shown.pop("v_num", None)
        if isinstance(pl_module, ClassifierModule) and self._steps:
            passed = time.perf_counter() - self._began
            epochs = pl_module.config.epochs - trainer.current_epoch
            steps = epochs * int(trainer.num_training_batches) - trainer.fit_loop.epoch_loop.batch_idx - 1
            shown["images/s"] = f"{pl_module.seen * trainer.world_size / max(passed, 1e-9):.0f}"
            shown["run left"] = duration(steps * passed / self._steps)
        return shown


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(3723.4)
    '1:02:03'
    """
    return str(datetime.timedelta(seconds=round(seconds)))
