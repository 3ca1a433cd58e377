"""Binary cross-entropy with each finding's positives weighted by its rarity in training."""

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.training.losses.base import Loss


class PosWeight(Loss):
    """-w_k y ln s(x) - (1 - y) ln(1 - s(x)), w_k = negatives / positives of finding k among the training labels.

    A finding without a positive or a negative training label has w_k = 1.
    """

    name = "pos_weight"
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(1), persistent=False)

    def prepare(self, labels: Tensor) -> None:
        """Count the (n,K) training labels; unknown labels are ignored."""
        positives, negatives = (labels == 1).sum(0), (labels == 0).sum(0)
        both = (positives > 0) & (negatives > 0)
        self.weight = torch.where(both, negatives / positives.clamp(min=1), 1.0)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) weighted cross-entropies."""
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none", pos_weight=self.weight)
