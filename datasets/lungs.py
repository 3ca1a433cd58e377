"""Samples with lung masks, the region where heat is plausible. Lung masks are not truth of a finding."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.types import Sample

OUTSIDE = ("Cardiomegaly", "Enlarged Cardiomediastinum", "Aortic enlargement")
"""Findings of the heart and the great vessels, which are outside the lungs."""


@dataclass(frozen=True, eq=False)
class LungSample(Sample):
    """A sample with a mask of both lungs; its ``masks`` are the truth of the findings."""

    read_lungs: Callable[[], NDArray[np.bool_]] | None = None
    """Function that draws the lungs, (H, W) in ``frame``; None if this image has no lung mask."""

    @property
    def lungs(self) -> NDArray[np.bool_] | None:
        """(H, W) mask of both lungs in ``frame``, or None. Raises ``DataError`` for a broken file."""
        return None if self.read_lungs is None else self.read_lungs()


def lung_reader(sample: Sample) -> Callable[[], NDArray[np.bool_]] | None:
    """Return the function that draws the lungs of a sample, (H, W) in its frame; None without a lung mask."""
    return sample.read_lungs if isinstance(sample, LungSample) else None


def has_boxes_or_lungs(sample: Sample) -> bool:
    """Return True if a map of the image can be scored: it has a truth box of any finding, or a lung mask."""
    return bool(sample.boxes) or lung_reader(sample) is not None


def resize_mask(mask: NDArray[np.bool_], frame: tuple[int, int]) -> NDArray[np.bool_]:
    """Resize a mask to ``frame`` (H, W) by nearest neighbour."""
    sides = zip(frame, mask.shape, strict=True)
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for new, old in sides)
    return np.asarray(mask[np.ix_(rows, columns)])
