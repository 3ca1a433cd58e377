"""Binary cross-entropy with equal weight for a finding's positives and negatives, by training frequency."""

import torch
from torch import Tensor

from benchmark.training.losses.base import Loss


class Frequency(Loss):
    """-n_k y ln s(x) - p_k (1 - y) ln(1 - s(x)): each side of finding k is weighted by the share of the other.

    p_k and n_k = 1 - p_k are the shares of positives and negatives among the known training labels. Unlike in
    ``pos_weight``, whose weights are these divided by p_k, a rare finding has little weight. A finding without a
    positive or without a negative training label has both weights 1/2.
    Source: LaurentVeyssier/Chest-X-Ray-Medical-Diagnosis-with-Deep-Learning.
    """

    name = "frequency"
    positive: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positive", torch.full((1,), 0.5), persistent=False)

    def prepare(self, labels: Tensor) -> None:
        """Compute the shares from the (n,K) training labels; unknown labels are ignored."""
        positives, negatives = (labels == 1).sum(0), (labels == 0).sum(0)
        both = (positives > 0) & (negatives > 0)
        self.positive = torch.where(both, positives / (positives + negatives).clamp(min=1), 0.5)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) weighted cross-entropies."""
        weight = labels * (1 - self.positive) + (1 - labels) * self.positive
        return weight * super().terms(logits, labels, known)
