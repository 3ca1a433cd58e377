"""Binary cross-entropy."""

from benchmark.training.losses.base import Loss


class BCE(Loss):
    """-y ln s(x) - (1 - y) ln(1 - s(x)) with the sigmoid s, mean over the known labels.

    >>> import torch
    >>> round(float(BCE()(torch.tensor([[0.0, 9.0]]), torch.tensor([[1.0, float("nan")]]))), 4)
    0.6931
    """

    name = "bce"
