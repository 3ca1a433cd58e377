"""Base class of losses: unknown labels are masked, and the mean is taken over the known ones."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


class Loss(nn.Module):
    """Loss of (N,K) logits and labels (0, 1 or nan for unknown). Subclasses set ``name`` and usually ``terms``."""

    name: ClassVar[str]
    """Registered name."""
    exclusive: ClassVar[bool] = False
    """True: one class per image (softmax); False: independent findings (sigmoid)."""

    def prepare(self, labels: Tensor) -> None:
        """Compute the state of the loss from the (n,K) training labels; most losses have none."""

    def counted(self, labels: Tensor) -> Tensor:
        """Return the (N,) number of loss terms of each image of the (N,K) ``labels``."""
        return (~labels.isnan()).sum(1)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) loss of each label; by default binary cross-entropies.

        ``labels`` are 0 where ``known`` (N,K) is False; these terms are dropped.
        """
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over the known labels; 0 with zero gradients if none is known.

        ``logits`` (N,K) of any precision are converted to float32; ``labels`` (N,K) are 0, 1 or nan.
        """
        known = ~labels.isnan()
        terms = self.terms(logits.float(), labels.nan_to_num(0.0), known)
        return torch.where(known, terms, 0.0).sum() / known.sum().clamp(min=1)
