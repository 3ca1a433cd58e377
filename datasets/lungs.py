"""Lung masks: the region where heat is plausible. They are not truth about a finding."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.types import Sample

OUTSIDE = ("Cardiomegaly", "Enlarged Cardiomediastinum", "Aortic enlargement")
"""Findings of the heart and the great vessels, whose heat should be outside the lungs."""


@dataclass(frozen=True, eq=False)
class LungSample(Sample):
    """A sample with a mask of both lungs, separate from ``masks``, which are scored as truth."""

    read_lungs: Callable[[], NDArray[np.bool_]] | None = None
    """Draws the lungs, (H, W) in ``frame``; None if this image has no such mask."""

    @property
    def lungs(self) -> NDArray[np.bool_] | None:
        """(H, W) mask of both lungs in ``frame``, or None. Raises ``DataError`` for a broken file."""
        return None if self.read_lungs is None else self.read_lungs()


def lung_reader(sample: Sample) -> Callable[[], NDArray[np.bool_]] | None:
    """Return the function that draws the lungs of a sample, (H, W) in its frame; None without a lung mask.

    The mask is decoded only when that function is called.
    """
    return sample.read_lungs if isinstance(sample, LungSample) else None


def has_boxes_or_lungs(sample: Sample) -> bool:
    """Return whether a map of the image can be scored: it has a truth box of any finding, or a lung mask."""
    return bool(sample.boxes) or lung_reader(sample) is not None
