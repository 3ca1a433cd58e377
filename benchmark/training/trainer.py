"""Lightning's trainer for a run, and its progress: a bar on a terminal, and a log line per epoch."""

import datetime
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from benchmark.training import devices, loggers, machine
from benchmark.training.lightning import (
    Callback,
    LightningModule,
    MisconfigurationException,
    PossibleUserWarning,
    TQDMProgressBar,
    Trainer,
)
from benchmark.training.module import ClassifierModule
from config import TrainConfig
from core.errors import BadValueError, one_line

log = logging.getLogger(__name__)


def trainer(config: TrainConfig, folder: Path, *callbacks: Callback) -> Trainer:
    """Build Lightning's trainer for ``config``; the ``callbacks`` write checkpoints and metrics.

    Raises ``BadValueError`` for flags that do not work together on this machine.
    """
    if config.num_nodes > 1:
        variables = "MASTER_ADDR, MASTER_PORT and NODE_RANK (0 to %d) set"
        message = f"waiting for %d machines: start this command on each of them, with {variables}"
        log.info(message, config.num_nodes, config.num_nodes - 1)
    warnings.filterwarnings("ignore", category=PossibleUserWarning)
    where, indices = devices.device(config), devices.indices(config)
    on_terminal = sys.stderr.isatty()
    try:
        return Trainer(
            accelerator="gpu" if where == "cuda" else "cpu",
            devices=indices if where == "cuda" else len(indices),
            num_nodes=config.num_nodes,
            strategy=config.strategy,
            precision=machine.precision_here(config),  # type: ignore[arg-type]
            max_epochs=config.epochs,
            gradient_clip_val=config.gradient_clip or None,
            accumulate_grad_batches=config.accumulate,
            sync_batchnorm=where == "cuda",  # statistics of the whole batch, as on one device
            logger=loggers.build(config, folder),
            callbacks=[*callbacks, Bar()] if on_terminal else [*callbacks],
            default_root_dir=str(folder),
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=on_terminal,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            log_every_n_steps=1,
        )
    except (MisconfigurationException, ImportError, ValueError) as error:
        reason = one_line(error)
        refused = f"--strategy {config.strategy} does not work with these devices ({reason})"
        raise BadValueError(f"{refused}: use --strategy auto") from error


class Pace(Callback):
    """Logs the metrics of each epoch, the images per second, and the time left.

    Images per second cover all processes and the training part of the epoch.
    """

    def __init__(self, module: ClassifierModule) -> None:
        """Log the metrics of ``module``."""
        self.module = module
        self._validation = 0.0

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the end of the training part."""
        self._validation = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log a line for the epoch."""
        if not trainer.is_global_zero:
            return
        row, epochs = self.module.history[-1], self.module.config.epochs
        rate = self.module.seen * trainer.world_size / max(self._validation - self.module.began, 1e-9)
        rest = (epochs - row["epoch"]) * (time.perf_counter() - self.module.began)
        text = "epoch %d of %d: training loss %.4f, validation loss %.4f, validation AUROC %.3f; %.0f images/s, %s left"
        log.info(text, row["epoch"], epochs, row["train_loss"], row["val_loss"], row["val_auroc"], rate, duration(rest))


class Bar(TQDMProgressBar):
    """Lightning's bar with the images per second of all processes and the time left of the run."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return the text after the bar."""
        metrics = dict(super().get_metrics(trainer, pl_module))
        metrics.pop("v_num", None)
        if isinstance(pl_module, ClassifierModule) and pl_module.batches:
            passed = time.perf_counter() - pl_module.began
            epochs = pl_module.config.epochs - trainer.current_epoch
            steps = epochs * int(trainer.num_training_batches) - trainer.fit_loop.epoch_loop.batch_idx - 1
            metrics["images/s"] = f"{pl_module.seen * trainer.world_size / max(passed, 1e-9):.0f}"
            metrics["run left"] = duration(steps * passed / pl_module.batches)
        return metrics


def duration(seconds: float) -> str:
    """Format hours, minutes and seconds.

    >>> duration(3723.4)
    '1:02:03'
    """
    return str(datetime.timedelta(seconds=round(seconds)))
