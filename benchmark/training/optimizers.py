"""Optimizers: torch's, each given those of the flags that it takes."""

import inspect
from collections.abc import Iterable

import torch
from torch import nn

from config import TrainConfig


def build(config: TrainConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that ``config`` names, over ``parameters``; a flag that it has no use for is left aside."""
    kind = getattr(torch.optim, config.optimizer)
    flags = {name: getattr(config, name) for name in ("lr", "momentum", "amsgrad", "weight_decay")}
    takes = inspect.signature(kind).parameters
    return kind(parameters, **{name: value for name, value in flags.items() if name in takes and value is not None})
