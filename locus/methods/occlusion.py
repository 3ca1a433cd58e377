"""Occlusion."""

import itertools
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from locus.core.errors import BadValueError
from locus.methods._pixelwise import PixelMethod
from locus.methods.base import require_whole_number
from locus.methods.evidence import Evidence

AT_ONCE = 64
"""Squares in memory at a time."""


class Occlusion(PixelMethod):
    """Absolute mean change of the logit over all grey squares that cover the pixel; values >= 0.

    ``L_k(x,y) = |mean over windows W with (x,y) in W of S_k(I) - S_k(I, W at 0)|``, 0 in the normalised space: the mean
    grey. Source: Zeiler and Fergus, ECCV 2014, section 4.2. In the logit's units: all colours are covered
    together and count once.

    One forward pass per window and image serves all findings.
    Caveat: the sign is lost, so squares that hide evidence against the finding have high values, too.
    """

    name = "occlusion"
    needs = frozenset({"forwards"})
    source = "Zeiler and Fergus, ECCV 2014, sec. 4.2"

    def __init__(self, window: int | None = None, stride: int | None = None) -> None:
        """Set ``window`` (default: a quarter of the shorter side) and ``stride`` (default: half the window), in pixels.

        The defaults give 49 windows on a square image.
        """
        self.window = None if window is None else require_whole_number("window", window)
        self.stride = None if stride is None else require_whole_number("stride", stride)

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return the mean drop of each logit (K,1,H,W) for an image (1,3,H,W)."""
        side = min(image.shape[-2:])
        window = self.window or max(1, side // 4)
        stride = self.stride or max(1, window // 2)
        if not stride <= window <= side:
            limits = f"stride <= window <= {side}, the shorter side of the image"
            raise BadValueError(f"occlusion has window={window},stride={stride}: give {limits}")
        tops, lefts = (range(0, length - window + stride, stride) for length in image.shape[-2:])
        corners = [*itertools.product(tops, lefts)]
        score = evidence.batched_forward(1, lambda _: image)
        total, count = (
            torch.zeros(score.shape[1], *image.shape[-2:]).to(image),
            torch.zeros_like(image[0, 0]),
        )
        for start in range(0, len(corners), AT_ONCE):
            squares = _squares(corners[start : start + AT_ONCE], window, image)
            logits = evidence.batched_forward(len(squares), partial(_hide, image, squares))
            total += torch.einsum("nk,nchw->khw", score - logits, squares)
            count += squares.sum((0, 1))
        return (total / count)[:, None]


def _hide(image: Tensor, squares: Tensor, part: slice) -> Tensor:
    return image * (1 - squares[part])


def _squares(corners: Sequence[tuple[int, int]], window: int, image: Tensor) -> Tensor:
    """Return planes (n,1,H,W) of zeros with a square of ones below and right of each of the ``corners``."""
    planes = torch.zeros(len(corners), 1, *image.shape[-2:], device=image.device)
    for plane, (top, left) in zip(planes, corners, strict=True):
        plane[:, top : top + window, left : left + window] = 1
    return planes
