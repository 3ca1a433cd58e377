"""Binary cross-entropy with equal weight for each finding's positives and negatives in the batch."""

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.training.losses.base import Loss


class BatchPosWeight(Loss):
    """-w_k y ln s(x) - (1 - y) ln(1 - s(x)), w_k = negatives / positives of finding k in the batch.

    A finding without a positive label in the batch has loss 0. Source: jfhealthcare/Chexpert, ``batch_weight``
    of bin/train.py, which adds the means of the findings; this is the mean over all known labels.
    """

    name = "batch_pos_weight"

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) weighted cross-entropies."""
        positives = (labels * known).sum(0)
        weight = (known.sum(0) - positives) / positives.clamp(min=1)
        losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none", pos_weight=weight)
        return torch.where(positives > 0, losses, 0.0)
