"""Optimizers: torch's, each given those of the flags that it takes."""

import inspect
from collections.abc import Iterable

import torch
from torch import nn

from core.flags.training import RecipeFlags


def build(recipe: RecipeFlags, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that ``recipe`` names, over ``parameters``; a flag that it has no use for is left aside."""
    kind = getattr(torch.optim, recipe.optimizer)
    flags = {name: getattr(recipe, name) for name in ("lr", "momentum", "amsgrad", "weight_decay")}
    takes = inspect.signature(kind).parameters
    return kind(parameters, **{name: value for name, value in flags.items() if name in takes and value is not None})
