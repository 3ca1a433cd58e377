"""Binary cross-entropy."""

from torch import Tensor
from torch.nn import functional

from benchmark.training.losses.base import Loss


class BCE(Loss):
    """-y ln s(x) - (1 - y) ln(1 - s(x)) with the sigmoid s, mean over the known labels."""

    name = "bce"

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """(N,K) cross-entropies, from the logits in their stable form."""
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
