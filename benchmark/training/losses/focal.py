"""Focal loss: confident correct predictions have little weight."""

from torch import Tensor
from torch.nn import functional

from benchmark.training.losses.base import Loss
from core.errors import BadValueError


class Focal(Loss):
    """-(1 - q)^gamma ln q with q the probability of the truth: s(x) for a positive label, 1 - s(x) for a negative one.

    gamma 0 is bce. Source: Lin et al., ICCV 2017, eq. 4 (without the factor alpha of eq. 5).
    """

    name = "focal"

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        if isinstance(gamma, str) or not gamma >= 0:
            raise BadValueError(f"the loss 'focal' has gamma={gamma}: use a number of 0 or more, as in focal:gamma=2")
        self.gamma = gamma

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) focal losses."""
        # q = s(surplus); with logarithms the gradient is finite for confident predictions, too
        surplus = logits * (2 * labels - 1)
        return (self.gamma * functional.logsigmoid(-surplus)).exp() * functional.softplus(-surplus)
