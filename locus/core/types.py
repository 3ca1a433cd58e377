"""Types and random numbers that all packages use.

``Sample``     one image of a data set, with its labels and truth
``generator``  reproducible random numbers: one generator per purpose, without global state
``patient_folds``, ``patient_ranks``  random folds and ranks of patients

Frames, grids and boxes are in ``locus.core.frames``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import NotAvailableError

FloatArray = NDArray[np.float64]
Echo = Callable[[str], None]
"""Prints a line for the user."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue, on the scale 0 to 1; all images are normalised by them."""
GRAY_MEAN = (sum(IMAGENET_MEAN) / 3,)
GRAY_STD = (sum(IMAGENET_STD) / 3,)
"""Mean and standard deviation of ImageNet for one channel, as in timm."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its labels and truth. Pixels and masks are read on demand.

    Boxes and masks are in ``frame``, the pixels of the image as published; the image file may be a smaller copy.
    """

    image_id: str
    """Unique within the data set; the file name if there is one."""
    patient_id: str
    """All images of a patient are in the same split, fold and resample."""
    frame: tuple[int, int]
    """(H, W) of the image as published: the frame of ``boxes`` and ``masks``."""
    labels: NDArray[np.float32]
    """(K,) 0, 1 or nan (unknown), in the order of the data set's ``findings``."""
    boxes: Mapping[str, FloatArray]
    """finding -> (M,4) xyxy, half-open, float64, in ``frame``; a finding without a truth box has no entry."""
    read: Callable[[], NDArray[np.uint8]]
    """Function that decodes the image. Raises ``DataError`` with path and reason for a broken file."""
    source: str = ""
    """Path of the file, or a description of generated pixels; part of the cache key.

    A sample in a list whose ``read`` is a user's function is identified by its pixels instead.
    """
    meta: Mapping[str, Any] = field(default_factory=dict)
    """view, sex, age …, if known."""
    read_masks: Callable[[], Mapping[str, NDArray[np.bool_]]] | None = None
    """Function that draws the truth masks; None if the data set has only boxes."""
    read_without: Callable[[str], NDArray[np.uint8]] | None = None
    """Function that draws the image without a finding; None unless findings are drawn into a real image."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W) uint8 pixels of the file, unchanged."""
        return self.read()

    @property
    def masks(self) -> Mapping[str, NDArray[np.bool_]]:
        """finding -> (H, W) truth mask in ``frame``; empty if the data set has only boxes."""
        return {} if self.read_masks is None else self.read_masks()

    def without(self, finding: str) -> NDArray[np.uint8]:
        """Return the (H, W) pixels of the same image without a finding, or without its ``marker``.

        Raises ``NotAvailableError`` unless findings are drawn into a real image.
        """
        if self.read_without is None:
            raise NotAvailableError(
                "the image without a finding is known only for drawn findings: use implanted"
            )
        return self.read_without(finding)


def generator(*keys: int | str) -> np.random.Generator:
    """Return a ``PCG64`` generator that depends only on the ``keys``.

    >>> bool(generator(0, "folds").random() == generator(0, "folds").random())
    True
    """
    return np.random.Generator(np.random.PCG64([_number(key) for key in keys]))


def patient_folds(patients: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the (N,) fold of each case, 0 … folds-1. The result does not depend on the order of the cases."""
    return patient_ranks(patients, seed, "patient folds")[0] % folds


def patient_ranks(
    patients: Sequence[str], seed: int, purpose: str
) -> tuple[NDArray[np.int64], int]:
    """Return the (N,) random rank of each image's patient, and the number of patients.

    The ranks do not depend on the order of the images.
    """
    unique, inverse = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    order = generator(seed, purpose).permutation(len(unique))
    return order[inverse.reshape(-1)], len(unique)


def _number(key: int | str) -> int:
    if isinstance(key, int):
        return key
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
