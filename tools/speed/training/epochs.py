"""Time epochs of a training run and of its network alone, in turn in one process."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmark.training import run
from tools.speed import names
from tools.speed.record import On, Row
from tools.speed.timing import Times, row, until_done
from tools.speed.training.subject import TrainingSpeedConfig
from tools.speed.training.trainings import Training, step, training


def rates(on: On, augment: str, config: TrainingSpeedConfig, folder: Path) -> list[Row]:
    """Return the rows of one network: training epochs as in main.py, with ``augment``, and its steps alone."""
    images = int(on["batch"]) * config.steps
    one = training(on, images, folder, epochs=config.rounds + 1, augment=augment)
    clock = Clock(one, config.steps)
    run.run_epochs(one.module, one.splits, one.folder, (0, 0), clock)
    return [
        row("epoch", on | {"augment": augment}, contender, times, images, images=images)
        for contender, times in ((names.ALONE, clock.alone), (names.TRAINING, clock.training))
    ]


class Clock(Callback):
    """Times an epoch from its start to the end of its last step, then the same number of steps of the network alone.

    The first epoch warms up both. Validation and checkpoints are not timed.
    """

    def __init__(self, one: Training, steps: int) -> None:
        self.one, self.steps = one, steps
        self.training, self.alone = Times(), Times()
        self._begun = (0.0, 0.0)
        self._step: Callable[[], None] = lambda: None
        self._finish: Callable[[], object] = lambda: None

    def on_train_start(self, *_: Any) -> None:
        """Prepare the steps; the network is on its device now."""
        self._step, self._finish = step(self.one), until_done(lambda: None, self.one.where)

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start the clock."""
        self._begin()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Stop the clock after the last step."""
        if index + 1 == self.steps:
            self._end(self.training, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Time the network alone."""
        module.train()
        self._begin()
        for _ in range(self.steps):
            self._step()
        self._end(self.alone, trainer.current_epoch)

    def _begin(self) -> None:
        self._finish()
        self._begun = time.perf_counter(), time.process_time()

    def _end(self, times: Times, epoch: int) -> None:
        self._finish()
        if epoch:
            times.wall.append(time.perf_counter() - self._begun[0])
            times.cpu.append(time.process_time() - self._begun[1])
