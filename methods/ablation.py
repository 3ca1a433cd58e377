"""How far each logit falls when a channel of the feature map becomes 0."""

import torch
from torch import Tensor

from methods.evidence import Evidence


def drops(evidence: Evidence) -> Tensor:
    """(N,K,C) ``S_k - S_k with A_c = 0``: the head's closed form, else its definition."""
    return by_definition(evidence) if evidence.drops is None else evidence.drops


def by_definition(evidence: Evidence) -> Tensor:
    """(N,K,C) by evaluating the head on C feature maps of each image, as many at once as the memory budget allows.

    Every call holds equally many maps of every image, side by side: at a layer that the network goes round, the head
    knows by that which image a map is of.
    """
    images, channels = evidence.A.shape[:2]
    parts = torch.split(torch.arange(channels), max(1, evidence.at_once("head") // images))
    logits = [
        evidence.head(torch.cat([_without(A, part) for A in evidence.A])).view(images, len(part), -1) for part in parts
    ]
    return evidence.logits.unsqueeze(-1) - torch.cat(logits, 1).mT  # (N, C, K) -> (N, K, C)


def _without(A: Tensor, channels: Tensor) -> Tensor:
    """(C,h,w) -> (M,C,h,w): copies with one of M channels set to 0 in each."""
    copies = A.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels)), channels] = 0
    return copies
