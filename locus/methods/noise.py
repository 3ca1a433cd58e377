"""The noise baseline."""

import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from locus.core.types import generator
from locus.methods.base import Method, require_whole_number
from locus.methods.evidence import Evidence


class Noise(Method):
    """Uniform noise in [0,1) at the size of the feature map. A baseline.

    Seeded by the content of the image and the finding, so it does not depend on the batch, the order or other findings.
    """

    name = "noise"
    needs = frozenset({"features"})
    source = "baseline"

    def __init__(self, seed: int = 0) -> None:
        """Set ``seed``, 0 or more; each seed gives another draw."""
        self.seed = require_whole_number("seed", seed, least=0)

    def maps(self, evidence: Evidence) -> Tensor:
        """Return one draw per image and finding, (N,K,h,w)."""
        shape, keys = (evidence.A.shape[-2], evidence.A.shape[-1]), map(_key, evidence.images)
        draws = [[self.draw(key, finding, shape) for finding in evidence.findings] for key in keys]
        return torch.from_numpy(np.array(draws, dtype=np.float32)).to(evidence.A.device)

    def draw(
        self, image: int | str, finding: int | str, shape: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the draw of an image and a finding, (h,w)."""
        return generator(self.seed, "noise", image, finding).random(shape, dtype=np.float32)


def _key(image: Tensor) -> int:
    """Return a checksum of the image, rounded first so that devices' rounding errors do not change it."""
    return zlib.crc32((image * 32).round().to(torch.int16).cpu().contiguous().numpy().tobytes())
