"""Schedulers of the learning rate. All but plateau move after every step: a resumed run is where it was."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR

from config import TrainConfig

Scheduler = LRScheduler | ReduceLROnPlateau
FALL = 0.1
"""Schedulers step and plateau: the learning rate falls to a tenth."""
PLATEAU_PATIENCE = 2
"""scheduler plateau: epochs without a lower validation loss before the learning rate falls to a tenth."""


def build(config: TrainConfig, optimizer: Optimizer, steps: int) -> Scheduler | None:
    """The scheduler that ``config`` names, for ``steps`` steps per epoch; None for ``none``."""
    total = steps * config.epochs
    if config.scheduler == "step":
        return StepLR(optimizer, step_size=config.step_epochs * steps, gamma=FALL)
    if config.scheduler == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total)
    if config.scheduler == "onecycle":
        return OneCycleLR(
            optimizer, max_lr=config.lr, total_steps=total, cycle_momentum=config.optimizer in ("Adam", "AdamW", "SGD")
        )
    if config.scheduler == "plateau":
        return ReduceLROnPlateau(optimizer, factor=FALL, patience=PLATEAU_PATIENCE)
    return None
