"""Exponential moving average of the weights, which evaluates better than any single step's."""

from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from backbones import Classifier

MODEL, AVERAGE = "model.", "average."
"""How names in a checkpoint begin: of the weights that are trained, and of all that belongs to their average."""


def build(model: Classifier, decay: float) -> AveragedModel | None:
    """The average of ``model``, batch norm's statistics too; None for a ``decay`` of 0.

    After the first step it is the weights w_1, after step t it is e_t = decay e_(t-1) + (1 - decay) w_t.
    """
    if not decay:
        return None
    mean = get_ema_multi_avg_fn(decay)
    return AveragedModel(model, multi_avg_fn=mean, use_buffers=True).requires_grad_(False)


def use_ema_weights(checkpoint: dict[str, Any]) -> None:
    """In a checkpoint that nothing is trained on from, let the average, where there is one, be the model's weights.

    ``last.ckpt`` keeps both, for a resume goes on from the weights themselves.
    """
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    inner = f"{AVERAGE}module."
    mean = {MODEL + name.removeprefix(inner): value for name, value in state.items() if name.startswith(inner)}
    if mean and "optimizer_states" not in checkpoint:
        kept = {name: value for name, value in state.items() if not name.startswith(AVERAGE)}
        checkpoint["state_dict"] = {name: mean.get(name, value) for name, value in kept.items()}
