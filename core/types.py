"""What travels through the house: a sample as a data set gives it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with what is known about it. Pixels and masks are read when asked for, all else is at hand.

    Boxes and masks live in ``frame``, the pixels of the image as published; the image may be a smaller copy.
    """

    image_id: str
    """Unique within the data set; the file's name where there is one."""
    patient_id: str
    """Splits, folds and resamples never part a patient."""
    frame: tuple[int, int]
    """(H, W) of the image as published: the frame of ``boxes`` and ``masks``."""
    labels: NDArray[np.float32]
    """(K,) 0, 1 or nan (unknown), in the order of the data set's ``findings``."""
    boxes: Mapping[str, FloatArray]
    """finding -> (M,4) xyxy, half-open, float64, in ``frame``; a finding without a truth box has no entry."""
    read: Callable[[], NDArray[np.uint8]]
    """Decodes the image; raises ``core.errors.DataError`` with path and reason when the file is broken."""
    source: str = ""
    """Path of the file, or what the pixels are computed from; with size and time it keys the cache."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """view, sex, age … where the data set has them."""
    read_masks: Callable[[], Mapping[str, NDArray[np.bool_]]] | None = None
    """Draws the truth masks, where the data set has any."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W) uint8 pixels of the file as it is."""
        return self.read()

    @property
    def masks(self) -> Mapping[str, NDArray[np.bool_]]:
        """finding -> (H, W) truth mask in ``frame``; empty where the data set has boxes only."""
        return {} if self.read_masks is None else self.read_masks()
