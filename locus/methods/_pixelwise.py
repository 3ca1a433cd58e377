"""Base class and helpers of methods with one value per input pixel."""

from collections.abc import Iterator
from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor

from locus.core.frames import Grid
from locus.methods.base import Method
from locus.methods.evidence import Evidence

MAX_BATCH_PIXELS = 8 * 224 * 224
"""Maximum number of input pixels per backward pass on a CPU (eight images of 224 px). More are not faster."""


class PixelMethod(Method):
    """Map with one position per pixel of the network's input: magnitudes, summed over the colour channels.

    ``L_k(x,y) = sum_rgb |attribution_k(rgb,x,y)|``. A subclass implements ``attribute``. Images are processed one at a
    time, so that a map does not depend on its batch: pixel gradients jump where the input of a ReLU is 0, and the last
    bit of a convolution depends on the batch size. An image that is not finite gets maps of nan, not of zeros, which
    would mean that no pixel matters.
    """

    name: ClassVar[str]
    needs = frozenset({"pixels"})

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return signed attributions (K,3,H,W), or (K,1,H,W) if colours are not separate, for an image (1,3,H,W)."""
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """Return maps >= 0 at the input's size, (N,K,H,W) float32."""
        shape = (len(evidence.images), len(evidence.findings), *evidence.images.shape[-2:])
        maps = evidence.images.new_full(shape, torch.nan)
        finite = evidence.images.isfinite().flatten(1).all(1)
        with torch.inference_mode(False), torch.enable_grad():
            for n in finite.nonzero().flatten().tolist():
                maps[n] = (
                    self.attribute(evidence, evidence.images[n : n + 1].detach())
                    .detach()
                    .abs()
                    .sum(1)
                )
        return maps

    def grid(self, evidence: Evidence) -> Grid:
        """Return the grid of the input's pixels."""
        return evidence.pixel_grid


def slopes(evidence: Evidence, images: Tensor) -> Iterator[Tensor]:
    """Yield the gradient of each logit with respect to ``images`` (M,3,H,W), as (M,3,H,W).

    One forward pass serves all findings. Each finding has a separate backward pass through the same graph, so its map
    does not depend on the other requested findings, not even in the last bit.
    """
    leaf = images.detach().requires_grad_()
    for logit in evidence.network(leaf).unbind(1):
        yield torch.autograd.grad(logit.sum(), leaf, retain_graph=True)[0]


def weighted_slopes(evidence: Evidence, images: Tensor, weights: Tensor) -> Tensor:
    """Return the sum (K,3,H,W) of the gradients of ``images`` (M,3,H,W) with ``weights`` (M,), computed in batches."""
    step = max_batch(evidence)
    shares = weights.to(images).view(-1, 1, 1, 1)
    parts = zip(images.split(step), shares.split(step), strict=True)
    return reduce(
        torch.add,
        (
            torch.stack([(w * slope).sum(0) for slope in slopes(evidence, part)])
            for part, w in parts
        ),
    )


def max_batch(evidence: Evidence) -> int:
    """Return how many images fit one backward pass: limited by memory, on a CPU also by ``MAX_BATCH_PIXELS``."""
    fits, images = evidence.max_batch("backward"), evidence.images
    return (
        fits
        if images.is_cuda
        else max(1, min(fits, MAX_BATCH_PIXELS // (images.shape[-2] * images.shape[-1])))
    )
