"""Occlusion."""

import torch
from captum.attr import Occlusion as CaptumOcclusion
from torch import Tensor

from locus.core.errors import BadValueError
from locus.methods._pixelwise import PixelMethod
from locus.methods.base import require_whole_number
from locus.methods.evidence import Evidence


class Occlusion(PixelMethod):
    """Absolute mean change of the logit over all grey squares that cover the pixel; values >= 0.

    ``L_k(x,y) = |mean over windows W with (x,y) in W of S_k(I) - S_k(I, W at 0)|``, 0 in the normalised space: the mean
    grey. Source: Zeiler and Fergus, ECCV 2014, section 4.2. In the logit's units: all colours are covered
    together and count once.

    One forward pass per window and image serves all findings: captum covers a plane of ones, which masks the image.
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
        cover = CaptumOcclusion(lambda planes: evidence.batched_forward(len(planes), lambda part: image * planes[part]))
        squares = {
            "sliding_window_shapes": (1, window, window),
            "strides": (1, stride, stride),
            "perturbations_per_eval": 8,
        }
        return cover.attribute(torch.ones_like(image[:, :1]), baselines=0, **squares)
