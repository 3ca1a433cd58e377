"""What every loss shares: unknown labels are masked, and the mean is taken over the known ones."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


class Loss(nn.Module):
    """(N,K) logits and labels (0, 1, nan unknown) -> scalar. A subclass sets ``name`` and, mostly, writes ``terms``."""

    name: ClassVar[str]
    """The registered word."""
    exclusive: ClassVar[bool] = False
    """True: exactly one class is right per image (softmax); False: findings are independent (sigmoid)."""

    def prepare(self, labels: Tensor) -> None:
        """Learn from the (n,K) training labels what the loss depends on; most depend on nothing."""

    def counted(self, labels: Tensor) -> Tensor:
        """(N,) how many terms of the mean each image of the (N,K) ``labels`` has."""
        return (~labels.isnan()).sum(1)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """(N,K) loss of each label; ``labels`` hold 0 where ``known`` (N,K) is False, those terms are dropped.

        Binary cross-entropies, from the logits in their stable form.
        """
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the known labels; 0 with zero gradients where none is known.

        ``logits`` (N,K) of any precision are taken to float32; ``labels`` (N,K) are 0, 1 or nan.
        """
        known = ~labels.isnan()
        terms = self.terms(logits.float(), labels.nan_to_num(0.0), known)
        return torch.where(known, terms, 0.0).sum() / known.sum().clamp(min=1)
