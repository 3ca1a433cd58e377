"""What the methods that answer per pixel of the input share."""

import torch
from torch import Tensor

from core.errors import BadValueError
from core.frames import Grid
from methods.base import Evidence, Method

PIXELS = 8 * 224 * 224
"""Input pixels that one backward pass takes at once: eight images of 224 px, 0.9 GiB of a densenet121."""


class PixelMethod(Method):
    """A map with one position per pixel of the network's input: magnitudes, summed over the colour channels.

    ``L_k(x,y) = sum_rgb |attribution_k(rgb,x,y)|``. A subclass writes ``attribute``. Images are taken one at a time, so
    that a map is the same bit for bit whatever the batch: a gradient of pixels jumps where a rectifier's input is at 0,
    and the last bit of a convolution depends on the number of images in it.
    """

    needs = frozenset({"pixels"})

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """(1,3,H,W), normalised -> (K,3,H,W) signed attributions; K times one channel where the colours go together."""
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,H,W) float32, >= 0, at the input's size."""
        shape = (len(evidence.images), len(evidence.findings), *evidence.images.shape[-2:])
        found = evidence.images.new_empty(shape)
        with torch.inference_mode(False), torch.enable_grad():
            for n in range(len(found)):
                found[n] = self.attribute(evidence, evidence.images[n : n + 1].detach()).detach().abs().sum(1)
        return found

    def grid(self, evidence: Evidence) -> Grid:
        """The input's own pixels."""
        return evidence.pixel_grid


def at_once(image: Tensor) -> int:
    """How many images of this size, (…,H,W), one backward pass takes; at least one."""
    return max(1, PIXELS // (image.shape[-2] * image.shape[-1]))


def whole(option: str, value: int) -> int:
    """``value`` itself. Raises ``BadValueError`` where the ``option`` of that name is no whole number from 1 on."""
    if not isinstance(value, int) or value < 1:
        raise BadValueError(f"{option} is {value!r}: give a whole number, 1 or more")
    return value
