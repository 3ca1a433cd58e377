"""Lung masks, the region where heat is plausible. They are not truth of a finding."""

import numpy as np
from numpy.typing import NDArray

from core.types import Sample

OUTSIDE = ("Cardiomegaly", "Enlarged Cardiomediastinum", "Aortic enlargement")
"""Findings of the heart and the great vessels, which are outside the lungs."""


def has_boxes_or_lungs(sample: Sample) -> bool:
    """Return True if a map of the image can be scored: it has a truth box of any finding, or a lung mask."""
    return bool(sample.boxes) or sample.read_lungs is not None


def resize_mask(mask: NDArray[np.bool_], frame: tuple[int, int]) -> NDArray[np.bool_]:
    """Resize a mask to ``frame`` (H, W) by nearest neighbour."""
    sides = zip(frame, mask.shape, strict=True)
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for new, old in sides)
    return np.asarray(mask[np.ix_(rows, columns)])
