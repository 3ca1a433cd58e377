"""The classifier as Lightning trains it. All chance of a step comes from (seed, epoch, step): a resumed run repeats it."""

import math
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from backbones import Classifier
from benchmark.training import checkpoints, optimizers, schedulers
from benchmark.training.data import Item
from benchmark.training.losses.base import Loss
from benchmark.training.metrics import scores
from config import TrainConfig
from core import seeds
from core.errors import LocusError
from datasets import transforms


class Module(lightning.LightningModule):
    """A classifier, its loss and what happens at each step; ``history`` has one row per epoch.

    The learning rate moves here and not in Lightning, which would move it after the epoch's checkpoint is written.
    """

    def __init__(self, model: Classifier, config: TrainConfig, loss: Loss, findings: tuple[str, ...], steps: int) -> None:
        """``steps`` is the number of steps per epoch."""
        super().__init__()
        self.model, self.config, self.loss, self.findings, self.steps = model, config, loss, findings, steps
        self.history: list[dict[str, float]] = []
        self.seen = 0
        """Images of this epoch so far, on this device."""
        self.course: schedulers.Course | None = None
        self._course_state: dict[str, Any] | None = None
        self._losses: list[Tensor] = []
        self._outputs: list[tuple[Tensor, Tensor]] = []
        self._evaluation = transforms.evaluation()

    def on_train_epoch_start(self) -> None:
        """Forget the last epoch's losses."""
        self.seen, self._losses = 0, []

    def training_step(self, batch: Item, batch_idx: int) -> Tensor:
        """Loss of one batch, its augmentation and dropout seeded by where it stands."""
        pixels, labels = batch
        generator = seeds.generator(self.config.seed, "step", self.current_epoch, batch_idx, self.global_rank)
        augment, dropout = (int(number) for number in generator.integers(2**62, size=2))
        torch.manual_seed(dropout)
        images = transforms.training(self.config.augment, torch.Generator().manual_seed(augment))(pixels)
        loss = self.loss(self.model(_laid_out(images)), labels)
        self._losses.append(loss.detach())
        self.seen += len(pixels)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Item, batch_idx: int) -> None:
        """Move the learning rate by one step."""
        if self.course is not None and not isinstance(self.course, ReduceLROnPlateau):
            self.course.step()

    def validation_step(self, batch: Item, batch_idx: int) -> None:
        """Logits of one batch; every process sees the whole validation side."""
        pixels, labels = batch
        self._outputs.append((self.model(_laid_out(self._evaluation(pixels))).float().cpu(), labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Close the epoch's row of the history. Raises ``LocusError`` when the loss is no number any more."""
        logits, labels = (torch.cat(parts) for parts in zip(*self._outputs, strict=True))
        self._outputs = []
        train = float(torch.stack(self._losses).mean())
        loss = float(self.loss(logits.to(self.device), labels.to(self.device)))
        if not math.isfinite(train):
            raise LocusError(f"the training loss is {train} in epoch {self.current_epoch + 1}: lower --lr or set --gradient_clip")
        found = scores(logits, labels, self.findings, self.loss.exclusive)
        rate = float(self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        row = {"train_loss": train, "val_loss": loss, "val_auroc": found["mean_auroc"], "val_ap": found["mean_ap"], "lr": rate}
        self.history.append({"epoch": self.current_epoch + 1, **row})
        self.log_dict(row, rank_zero_only=True)
        if isinstance(self.course, ReduceLROnPlateau):
            self.course.step(loss)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer; its course is kept in ``self.course``."""
        optimizer = optimizers.build(self.config, self.model.parameters())
        self.course = schedulers.build(self.config, optimizer, self.steps)
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the checkpoint is of, the history and where the learning rate stands."""
        checkpoint["locus"] = checkpoints.stamp(self.config, self.model, self.findings)
        checkpoint["history"] = self.history
        checkpoint["course"] = self.course.state_dict() if self.course is not None else None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take history and course back."""
        self.history = checkpoint["history"]
        self._course_state = checkpoint["course"]

    def on_train_start(self) -> None:
        """Set the course to where the checkpoint left it: it exists only now."""
        if self.course is not None and self._course_state is not None:
            self.course.load_state_dict(self._course_state)


def _laid_out(images: Tensor) -> Tensor:
    """Channels last: the layout in which convolutions are fastest."""
    return images.contiguous(memory_format=torch.channels_last)
