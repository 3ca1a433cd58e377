"""Schedulers of the learning rate. All but plateau move after every step: a resumed run is where it was."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR

from core.flags.training import RecipeFlags

Scheduler = LRScheduler | ReduceLROnPlateau
FALL = 0.1
"""Schedulers step and plateau: the learning rate falls to a tenth."""
PLATEAU_PATIENCE = 2
"""scheduler plateau: epochs without a lower validation loss before the learning rate falls to a tenth."""


def build(recipe: RecipeFlags, optimizer: Optimizer, steps: int) -> Scheduler | None:
    """The scheduler that ``recipe`` names, for ``steps`` steps per epoch; None for ``none``."""
    total = steps * recipe.epochs
    if recipe.scheduler == "step":
        return StepLR(optimizer, step_size=recipe.step_epochs * steps, gamma=FALL)
    if recipe.scheduler == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total)
    if recipe.scheduler == "onecycle":
        cycled = recipe.optimizer in ("Adam", "AdamW", "SGD")
        return OneCycleLR(optimizer, max_lr=recipe.lr, total_steps=total, cycle_momentum=cycled)
    if recipe.scheduler == "plateau":
        return ReduceLROnPlateau(optimizer, factor=FALL, patience=PLATEAU_PATIENCE)
    return None
