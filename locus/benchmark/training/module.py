"""A classifier in training: its LightningModule, what happens after each epoch, interrupts and loggers.

``ClassifierModule``  training and validation steps, optimizer, scheduler and moving average
``CheckpointWriter``  best.ckpt, metrics.csv, and last.ckpt, which has everything needed to resume an interrupted run
``Interrupts``        Ctrl-C and SIGTERM stop a run between two batches

Random numbers are repeated by a resumed run: they depend on the seed, the epoch, the position of the batch, and the
process of a distributed run. All schedulers except plateau update after each step, so a resumed run has the right
learning rate. Losses are in ``losses``.
"""

import datetime
import inspect
import logging
import math
import signal
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from torch import Tensor, nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from locus.backbones import Classifier, weight_files
from locus.benchmark.training import epochs, runs
from locus.benchmark.training.data import Batch, all_gather_lists
from locus.benchmark.training.hardware import memory_format
from locus.benchmark.training.losses import Loss
from locus.config import RecipeFlags, TrainConfig
from locus.core import types
from locus.core.errors import LocusError, require_extra
from locus.core.files import csv_text, write_text, writing
from locus.datasets.io import transforms
from locus.datasets.leaks import TrainingImages

Scheduler = LRScheduler | ReduceLROnPlateau
LR_FACTOR = 0.1
"""Factor of the learning rate in the schedulers step and plateau."""
PLATEAU_PATIENCE = 2
"""Epochs without a lower validation loss before the scheduler plateau lowers the learning rate."""
log = logging.getLogger(__name__)
DIVERGED = "lower --lr or set --gradient_clip"
"""Advice for a diverging loss."""
AVERAGE_PREFIX = "average."
"""Prefix of the weights' moving average in a checkpoint."""


def build(recipe: RecipeFlags, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the optimizer of ``recipe`` over ``parameters``; flags that it does not accept are ignored."""
    kind = getattr(torch.optim, recipe.optimizer)
    flags = {name: getattr(recipe, name) for name in ("lr", "momentum", "amsgrad", "weight_decay")}
    accepted = inspect.signature(kind).parameters
    return kind(
        parameters,
        **{name: value for name, value in flags.items() if name in accepted and value is not None},
    )


def build_scheduler(
    recipe: RecipeFlags, optimizer: torch.optim.Optimizer, steps: int
) -> Scheduler | None:
    """Build the scheduler of ``recipe`` for ``steps`` steps per epoch; None for ``none``."""
    total = steps * recipe.epochs
    if recipe.scheduler == "step":
        return StepLR(optimizer, step_size=recipe.step_epochs * steps, gamma=LR_FACTOR)
    if recipe.scheduler == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total)
    if recipe.scheduler == "onecycle":
        cycled = recipe.optimizer in ("Adam", "AdamW", "SGD")
        return OneCycleLR(optimizer, max_lr=recipe.lr, total_steps=total, cycle_momentum=cycled)
    if recipe.scheduler == "plateau":
        return ReduceLROnPlateau(optimizer, factor=LR_FACTOR, patience=PLATEAU_PATIENCE)
    return None


class ClassifierModule(LightningModule):
    """A classifier, its loss and its training step; ``history`` has one row per epoch.

    The learning rate is updated here, because Lightning would update it after the checkpoint of the epoch is written.
    With a moving average of the weights (``--ema``), the average is validated and written to ``best.ckpt``.
    """

    def __init__(
        self,
        model: Classifier,
        config: TrainConfig,
        loss: Loss,
        findings: Sequence[str],
        earlier: dict[str, Any],
    ) -> None:
        """Prepare the training of a network.

        Args:
            model: the network.
            config: the flags.
            loss: the loss function.
            findings: names of the outputs.
            earlier: content of ``last.ckpt`` of a resumed run; else empty.
        """
        super().__init__()
        self.model = model
        self.config = config
        self.loss = loss
        self.findings = tuple(findings)
        if config.freeze:
            model.extractor.requires_grad_(False)
        self.training_images = TrainingImages()
        self.average = moving_average(model, config.ema)
        self.history: list[dict[str, float]] = earlier.get("history", [])
        self.steps = 0
        """Optimizer steps per epoch; each may take several batches (``--accumulate``). Set before the training."""
        self.seen = 0
        """Images of this epoch so far, on this device."""
        self.began = self.validating = 0.0
        """Start times of the epoch and of its validation."""
        self.scheduler: Scheduler | None = None
        self._scheduler_state: dict[str, Any] | None = earlier.get("course")
        self._losses: list[Tensor] = []
        self._outputs: list[tuple[Tensor, Tensor]] = []
        self._evaluation = transforms.evaluation()

    def on_train_epoch_start(self) -> None:
        """Reset the count of images and the clock; a frozen backbone works as in evaluation."""
        if self.config.freeze:
            self.model.extractor.eval()
        self.seen = 0
        self.began = time.perf_counter()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch; its position seeds augmentation and dropout."""
        pixels, labels = batch
        generator = types.generator(
            self.config.seed, "step", self.current_epoch, batch_idx, self.global_rank
        )
        augment, dropout = (int(number) for number in generator.integers(2**62, size=2))
        _seed(dropout, self.device)
        chance = torch.Generator().manual_seed(augment)
        images = transforms.training(self.config.augment, chance)(pixels)
        if transforms.is_mixed(self.config.augment):
            images, labels = transforms.mixed(images, labels, self.config.augment, chance)
        loss = self.loss(self.model(self._to_memory_format(images)), labels)
        micro_batches = self.trainer.world_size * self.trainer.accumulate_grad_batches
        if micro_batches > 1:  # each label of a step has the same weight
            loss = loss * self.trainer.train_dataloader.sampler.loss_weight(batch_idx)  # type: ignore[union-attr]
        self._losses.append(loss.detach())
        self.seen += len(pixels)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """After the last batch of a step, update the average and the learning rate. Epochs have complete steps only."""
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches:
            return
        if self.average is not None:
            self.average.update_parameters(self.model)
        if self.scheduler is not None and not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()

    def on_validation_start(self) -> None:
        """Record the end of the training part of the epoch."""
        self.validating = time.perf_counter()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Compute the logits of one batch."""
        pixels, labels = batch
        if not len(pixels):  # no image of the batch is readable
            self._outputs.append((labels.cpu(), labels.cpu()))
            return
        model = self.model if self.average is None else self.average.module
        self._outputs.append(
            (model(self._to_memory_format(self._evaluation(pixels))).float().cpu(), labels.cpu())
        )

    def on_validation_epoch_end(self) -> None:
        """Append a row to the history. Raises ``LocusError`` if the loss is not finite."""
        logits, labels = (
            torch.cat(batches) for batches in zip(*all_gather_lists(self._outputs), strict=True)
        )
        self._outputs = []
        train = float(
            self.trainer.strategy.reduce(torch.stack(self._losses).mean(), reduce_op="mean")
        )
        self._losses = []
        loss = float(self.loss(logits.to(self.device), labels.to(self.device)))
        if not math.isfinite(train):
            raise LocusError(
                f"the training loss is {train} in epoch {self.current_epoch + 1}: {DIVERGED}"
            )
        if not torch.isfinite(logits).all():
            raise LocusError(
                f"the outputs are not finite after epoch {self.current_epoch + 1}: {DIVERGED}"
            )
        from locus.benchmark.training.metrics import (
            scores,
        )  # slow import, not needed before the first step

        metrics = scores(logits, labels, self.findings, self.loss.exclusive)
        rate = float(self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        row = {"train_loss": train, "val_loss": loss}
        row |= {"val_auroc": metrics["mean_auroc"], "val_ap": metrics["mean_ap"], "lr": rate}
        row = self.trainer.strategy.broadcast(row)  # all processes then agree on the best epoch
        self.history.append({"epoch": self.current_epoch + 1, **row})
        self.log_dict(row, rank_zero_only=True)
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(loss)
        if self.trainer.is_global_zero:
            self._log_progress(self.history[-1])

    def _log_progress(self, row: dict[str, float]) -> None:
        """Log the metrics of an epoch, the images per second of its training part (all processes) and the time left."""
        epochs = self.config.epochs
        rate = self.seen * self.trainer.world_size / max(self.validating - self.began, 1e-9)
        seconds_left = (epochs - row["epoch"]) * (time.perf_counter() - self.began)
        text = "epoch %d of %d: training loss %.4f, validation loss %.4f, validation AUROC %.3f; %.0f images/s, %s left"
        log.info(
            text,
            row["epoch"],
            epochs,
            row["train_loss"],
            row["val_loss"],
            row["val_auroc"],
            rate,
            duration(seconds_left),
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the optimizer; its scheduler is kept in ``self.scheduler``."""
        optimizer = build(
            self.config, (weight for weight in self.model.parameters() if weight.requires_grad)
        )
        self.scheduler = build_scheduler(self.config, optimizer, self.steps)
        if self.scheduler is not None and self._scheduler_state is not None:
            self.scheduler.load_state_dict(self._scheduler_state)
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add metadata, history and the scheduler's state (key ``course``) to the checkpoint."""
        use_ema_weights(checkpoint)
        checkpoint["locus"] = runs.stamp(
            self.config, self.model, self.findings, self.training_images
        )
        checkpoint["history"] = self.history
        checkpoint["course"] = self.scheduler.state_dict() if self.scheduler is not None else None

    def _to_memory_format(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=memory_format(self.config.channels_last))


def moving_average(model: Classifier, decay: float) -> AveragedModel | None:
    """Return the moving average of ``model``, including batch norm statistics; None for a ``decay`` of 0.

    It starts as e_1 = w_1, the weights after the first step; then e_t = decay e_(t-1) + (1 - decay) w_t. Lightning's
    ``EMAWeightAveraging`` leaves the average out of a checkpoint without the optimizer, such as ``best.ckpt``.
    """
    if not decay:
        return None
    mean = get_ema_multi_avg_fn(decay)
    return AveragedModel(model, multi_avg_fn=mean, use_buffers=True).requires_grad_(False)


def use_ema_weights(checkpoint: dict[str, Any]) -> None:
    """Replace the weights in a checkpoint by their moving average, if it has one and is not for resuming.

    ``last.ckpt`` has both, because a resumed run needs the weights, too.
    """
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    inner = f"{AVERAGE_PREFIX}module."
    start = weight_files.PREFIX
    mean = {
        start + name.removeprefix(inner): value
        for name, value in state.items()
        if name.startswith(inner)
    }
    if mean and "optimizer_states" not in checkpoint:
        weights = {
            name: value for name, value in state.items() if not name.startswith(AVERAGE_PREFIX)
        }
        checkpoint["state_dict"] = {name: mean.get(name, value) for name, value in weights.items()}


def _seed(number: int, device: torch.device) -> None:
    """Seed only this device; ``torch.manual_seed`` writes a traceback for each type of device that is not in use."""
    torch.default_generator.manual_seed(number)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(number)


def duration(seconds: float) -> str:
    """Format hours, minutes and seconds.

    >>> duration(3723.4)
    '1:02:03'
    """
    return str(datetime.timedelta(seconds=round(seconds)))


def save_checkpoint(trainer: Trainer, path: Path, weights_only: bool) -> None:
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

    def __init__(
        self, module: ClassifierModule, folder: Path, keep: str, early_stopping: bool | int
    ) -> None:
        """Write the checkpoints of ``module`` to ``folder``; see ``epochs.kept_epoch`` and ``epochs.stopped_early``."""
        self.module = module
        self.folder = folder
        self.keep = keep
        self.early_stopping = early_stopping

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files; stop the run if it has not improved for long enough."""
        history = self.module.history
        if epochs.kept_epoch(history, self.keep) == len(history):
            save_checkpoint(trainer, self.folder / "best.ckpt", weights_only=True)
        if trainer.is_global_zero:
            rows = ([row[name] for name in history[0]] for row in history)
            write_text(self.folder / "metrics.csv", csv_text([history[0], *rows]))
        save_checkpoint(trainer, self.folder / "last.ckpt", weights_only=False)
        trainer.should_stop = epochs.stopped_early(history, self.early_stopping)


class Interrupts(Callback):
    """Ctrl-C and SIGTERM stop a run before the next batch; ``last.ckpt`` has the last complete epoch.

    An exception in a signal handler may be lost, so the handler only notes the signal. A second one stops the run at
    once.
    """

    def __init__(self, advice: str) -> None:
        """Make the callback; the ``advice`` says how to continue."""
        self.advice = advice
        self.received = 0

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


def check_loggers(names: Collection[str]) -> None:
    """Raise ``NotAvailableError`` for a logger whose package is not installed."""
    if "wandb" in names:
        require_extra("wandb", "wandb", "--logger wandb")


def build_loggers(names: Collection[str], log_dir: str, run: str) -> list[Logger]:
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
