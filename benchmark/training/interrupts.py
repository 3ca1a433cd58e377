"""Ctrl-C and SIGTERM: a run ends at its next step, and its ``last.ckpt`` holds all that going on needs."""

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmark.training import checkpoints

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 128 + signal.SIGINT
"""Exit status of a program that Ctrl-C ended."""
ASK_EVERY = 8
"""Several processes ask each other every so many steps whether one of them was told to stop: asking costs a message."""


class Stopped(BaseException):
    """The run was told to stop, and ``last.ckpt`` is written.

    ``status`` is what a shell expects of a program so ended.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.status = 128 + signum


class Interrupts(Callback):
    """Ends a run between two steps (or after the validation that is under way) when a signal asks for it.

    Lightning's own ``OnExceptionCheckpoint`` would save in the middle of a step, from which no run goes on exactly. A
    second signal ends the run at once, with the ``last.ckpt`` that was there before.
    """

    def __init__(self, folder: Path) -> None:
        """``last.ckpt`` is written to ``folder``."""
        self.folder = folder
        self.received, self._reports = 0, True
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over, Lightning's handling of SIGTERM among them."""
        self._reports = trainer.is_global_zero
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        self._release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._release()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Save and stop where a signal came: the step before is wholly done, and no gradient is kept for later."""
        if batch_idx % trainer.accumulate_grad_batches == 0 and self._stop_requested(trainer, batch_idx):
            checkpoints.save(trainer, self.folder / "last.ckpt", weights_only=False)
            step = f"step {batch_idx} of {trainer.num_training_batches}"
            self._stop(trainer, f"epoch {trainer.current_epoch + 1}, after {step}")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop where a signal came in the last step or in the validation; ``last.ckpt`` has been written before."""
        if self._stop_requested(trainer, 0):
            self._stop(trainer, f"epoch {trainer.current_epoch + 1}, at its end")

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = signum
        if self._reports:
            log.info("told to stop: last.ckpt comes after this step or validation; once more ends the run at once")

    def _stop_requested(self, trainer: Trainer, step: int) -> bool:
        if trainer.world_size == 1:
            return bool(self.received)
        return step % ASK_EVERY == 0 and trainer.strategy.reduce_boolean_decision(bool(self.received), all=False)

    def _stop(self, trainer: Trainer, where: str) -> None:
        if trainer.is_global_zero:
            log.info("stopped in %s: --resume %s goes on from there as if nothing had happened", where, self.folder)
        raise Stopped(self.received or signal.SIGINT)

    def _release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
