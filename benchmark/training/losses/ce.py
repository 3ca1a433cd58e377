"""Cross-entropy of a softmax over exclusive classes."""

import torch
from torch import Tensor

from benchmark.training.losses.base import Loss


class CE(Loss):
    """-ln softmax(x)_c of the image's class c, mean over the images.

    The weight of an image with several positive labels is shared among them. An image without a positive label, or with
    an unknown one, is ignored.
    """

    name = "ce"
    exclusive = True

    def counted(self, labels: Tensor) -> Tensor:
        """Return (N,) 1 for each image whose class is known, else 0."""
        return (labels.sum(1) > 0).long()  # nan > 0 is False

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over the images whose class is known, from (N,K) logits and labels; 0 if there is none."""
        total, known = labels.sum(1, keepdim=True), self.counted(labels) > 0
        share = torch.where(known[:, None], labels / total, 0.0)
        losses = -(share * logits.float().log_softmax(1)).sum(1)
        return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)
