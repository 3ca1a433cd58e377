"""Images of which the lungs are outlined: where heat may be at all, which is no truth about a finding."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.types import Sample

OUTSIDE = ("Cardiomegaly", "Enlarged Cardiomediastinum", "Aortic enlargement")
"""Findings of the heart and the great vessels: their heat should not be in the lungs."""


@dataclass(frozen=True, eq=False)
class LungSample(Sample):
    """A sample with a mask of both lungs, apart from ``masks``, which hold findings and are scored as truth."""

    read_lungs: Callable[[], NDArray[np.bool_]] | None = None
    """Draws the lungs, (H, W) in ``frame``; None where this image has no such mask."""

    @property
    def lungs(self) -> NDArray[np.bool_] | None:
        """(H, W) mask of both lungs in ``frame``, None where there is none. Raises ``DataError`` for a broken file."""
        return None if self.read_lungs is None else self.read_lungs()


def lung_reader(sample: Sample) -> Callable[[], NDArray[np.bool_]] | None:
    """What draws the lungs of a sample, (H, W) in its frame; None where nobody outlined them.

    Asking costs nothing: the mask is decoded when it is drawn.
    """
    return sample.read_lungs if isinstance(sample, LungSample) else None


def has_boxes_or_lungs(sample: Sample) -> bool:
    """Whether a map of the image can be scored: a truth box of any finding, or lungs, in which heat should lie."""
    return bool(sample.boxes) or lung_reader(sample) is not None
