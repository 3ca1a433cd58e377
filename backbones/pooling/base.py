"""What every pooling says about itself."""

from typing import ClassVar

from torch import Tensor, nn


class Pooling(nn.Module):
    """(N,C,h,w) -> (N, groups * C). A subclass sets ``name`` and writes ``forward``; options are constructor arguments.

    Under every pooling ``class_maps`` is w_k . A at each position, with the weight groups added up.
    """

    name: ClassVar[str]
    """The registered word."""
    groups: ClassVar[int] = 1
    """How many pooled values there are per channel."""
    per_finding: ClassVar[bool] = False
    """True: ``forward(A, scores)`` also takes (N,K,h,w) logits per position and gives (N,K,C)."""


def flat(A: Tensor) -> Tensor:
    """(N,C,h,w) -> (N,C,h*w), positions in row-major order."""
    return A.flatten(2)
