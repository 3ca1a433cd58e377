"""Base class of losses: unknown labels are masked, and the mean is taken over the known ones."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


class Loss(nn.Module):
    """(N,K) logits and labels (0, 1, nan unknown) -> scalar. Subclasses set ``name`` and mostly ``terms``."""

    name: ClassVar[str]
    """The registered word."""
    exclusive: ClassVar[bool] = False
    """True: exactly one class is right per image (softmax); False: findings are independent (sigmoid)."""

    def prepare(self, labels: Tensor) -> None:
        """Compute the state of the loss from the (n,K) training labels; most losses have none."""

    def counted(self, labels: Tensor) -> Tensor:
        """(N,) number of terms of each image of the (N,K) ``labels`` in the mean."""
        return (~labels.isnan()).sum(1)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """(N,K) loss of each label; ``labels`` are 0 where ``known`` (N,K) is False, and those terms are dropped.

        By default binary cross-entropies, from the logits in their stable form.
        """
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the known labels; 0 with zero gradients if none is known.

        ``logits`` (N,K) of any precision are converted to float32; ``labels`` (N,K) are 0, 1 or nan.
        """
        known = ~labels.isnan()
        terms = self.terms(logits.float(), labels.nan_to_num(0.0), known)
        return torch.where(known, terms, 0.0).sum() / known.sum().clamp(min=1)
