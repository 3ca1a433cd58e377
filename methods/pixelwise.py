"""What the methods that answer per pixel of the input share."""

from collections.abc import Iterator
from functools import reduce

import torch
from torch import Tensor

from core.frames import Grid
from methods.base import Evidence, Method

PIXELS = 8 * 224 * 224
"""Input pixels per backward pass on a CPU, eight images of 224 px: more are no faster and want more memory."""


class PixelMethod(Method):
    """A map with one position per pixel of the network's input: magnitudes, summed over the colour channels.

    ``L_k(x,y) = sum_rgb |attribution_k(rgb,x,y)|``. A subclass writes ``attribute``. Images are taken one at a time, so
    that a map is the same bit for bit whatever the batch: a gradient of pixels jumps where a rectifier's input is at 0,
    and the last bit of a convolution depends on the number of images in it. An image that is not finite has maps of
    nan: a rectifier may pass no gradient of a nan, and zeros would say that no pixel matters.
    """

    needs = frozenset({"pixels"})

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """(1,3,H,W), normalised -> (K,3,H,W) signed attributions; K times one channel where the colours go together."""
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,H,W) float32, >= 0, at the input's size."""
        shape = (len(evidence.images), len(evidence.findings), *evidence.images.shape[-2:])
        maps = evidence.images.new_full(shape, torch.nan)
        finite = evidence.images.isfinite().flatten(1).all(1)
        with torch.inference_mode(False), torch.enable_grad():
            for n in finite.nonzero().flatten().tolist():
                maps[n] = self.attribute(evidence, evidence.images[n : n + 1].detach()).detach().abs().sum(1)
        return maps

    def grid(self, evidence: Evidence) -> Grid:
        """The input's own pixels."""
        return evidence.pixel_grid


def slopes(evidence: Evidence, images: Tensor) -> Iterator[Tensor]:
    """Yield the gradients of one logit after the other with respect to ``images`` (M,3,H,W), as (M,3,H,W).

    One forward pass serves all findings; each has a backward pass of its own through the same graph, so that a map is
    the same bit for bit whatever findings are asked for beside it.
    """
    leaf = images.detach().requires_grad_()
    for logit in evidence.network(leaf).unbind(1):
        yield torch.autograd.grad(logit.sum(), leaf, retain_graph=True)[0]


def weighted_slopes(evidence: Evidence, images: Tensor, weights: Tensor) -> Tensor:
    """Return (K,3,H,W): the sum over M ``images`` (M,3,H,W) of their gradients, each times its weight, of (M,).

    As many images at a time as a backward pass takes.
    """
    step = max_batch(evidence)
    shares = weights.to(images).view(-1, 1, 1, 1)
    parts = zip(images.split(step), shares.split(step), strict=True)
    return reduce(
        torch.add, (torch.stack([(w * slope).sum(0) for slope in slopes(evidence, part)]) for part, w in parts)
    )


def max_batch(evidence: Evidence) -> int:
    """How many images of the evidence's size one backward pass takes: by the budget, on a CPU ``PIXELS`` at most."""
    fits, images = evidence.max_batch("backward"), evidence.images
    return fits if images.is_cuda else max(1, min(fits, PIXELS // (images.shape[-2] * images.shape[-1])))
