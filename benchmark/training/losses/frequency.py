"""Binary cross-entropy in which a finding's positives weigh as its negatives do, by their frequency in training."""

import torch
from torch import Tensor

from benchmark.training.losses.base import Loss


class Frequency(Loss):
    """-n_k y ln s(x) - p_k (1 - y) ln(1 - s(x)): each side of finding k is weighted by the share of the other.

    p_k and n_k = 1 - p_k are the shares of positives and negatives among the known training labels. Beside
    ``pos_weight``, whose weights are these divided by p_k, a rare finding counts little. A finding without a positive
    or without a negative training label has both weights 1/2.
    Source: LaurentVeyssier/Chest-X-Ray-Medical-Diagnosis-with-Deep-Learning.
    """

    name = "frequency"
    positive: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positive", torch.full((1,), 0.5), persistent=False)

    def prepare(self, labels: Tensor) -> None:
        """Take the shares of the (n,K) training labels; unknown ones count on neither side."""
        positives, negatives = (labels == 1).sum(0), (labels == 0).sum(0)
        both = (positives > 0) & (negatives > 0)
        self.positive = torch.where(both, positives / (positives + negatives).clamp(min=1), 0.5)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """(N,K) weighted cross-entropies."""
        weight = labels * (1 - self.positive) + (1 - labels) * self.positive
        return weight * super().terms(logits, labels, known)
