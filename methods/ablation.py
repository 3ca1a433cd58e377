"""How far each logit falls when a channel of the feature map becomes 0."""

import torch
from torch import Tensor

from methods.base import Evidence

VALUES = 2**24
"""Numbers in the feature maps on which the head is evaluated at once: 64 MiB."""


def drops(evidence: Evidence) -> Tensor:
    """(N,K,C) ``S_k - S_k with A_c = 0``: the head's closed form, else its definition."""
    return by_definition(evidence) if evidence.drops is None else evidence.drops


def by_definition(evidence: Evidence) -> Tensor:
    """(N,K,C) by evaluating the head on C feature maps of each image, in parts of ``VALUES`` numbers at most."""
    count, step = evidence.A.shape[1], max(1, VALUES // evidence.A[0].numel())
    parts = [torch.arange(start, min(start + step, count)) for start in range(0, count, step)]
    ablated = torch.stack([torch.cat([evidence.head(_without(A, part)) for part in parts]) for A in evidence.A])
    return evidence.logits.unsqueeze(-1) - ablated.mT  # (N, C, K) -> (N, K, C)


def _without(A: Tensor, channels: Tensor) -> Tensor:
    """(C,h,w) -> (M,C,h,w): copies with one of M channels set to 0 in each."""
    copies = A.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels)), channels] = 0
    return copies
