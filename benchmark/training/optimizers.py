"""Optimizers of torch with the flags that they accept, and schedulers of the learning rate.

All schedulers except plateau update after each step, so a resumed run has the right learning rate.
"""

import inspect
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR

from core.flags.training import RecipeFlags

Scheduler = LRScheduler | ReduceLROnPlateau
FALL = 0.1
"""Factor of the learning rate in the schedulers step and plateau."""
PLATEAU_PATIENCE = 2
"""Epochs without a lower validation loss before the scheduler plateau lowers the learning rate."""


def build(recipe: RecipeFlags, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the optimizer of ``recipe`` over ``parameters``; flags that it does not accept are ignored."""
    kind = getattr(torch.optim, recipe.optimizer)
    flags = {name: getattr(recipe, name) for name in ("lr", "momentum", "amsgrad", "weight_decay")}
    accepted = inspect.signature(kind).parameters
    return kind(parameters, **{name: value for name, value in flags.items() if name in accepted and value is not None})


def build_scheduler(recipe: RecipeFlags, optimizer: torch.optim.Optimizer, steps: int) -> Scheduler | None:
    """Build the scheduler of ``recipe`` for ``steps`` steps per epoch; None for ``none``."""
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
