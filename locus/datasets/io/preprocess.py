"""Preprocessing as in other projects, applied before images are resized."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from locus.core.types import Sample
from locus.datasets.base import Dataset, DatasetWrapper, content_stamp

PADDING_GRAY = 128
"""Value of the padding."""


def of(data: Dataset, name: str) -> Dataset:
    """Return ``data`` with images preprocessed by ``name``: ``none`` (unchanged) or ``jf`` (:func:`jf`)."""
    return data if name == "none" else Prepared(data)


def one_sample(sample: Sample, name: str) -> Sample:
    """Preprocess the image of one sample by ``name``, as :func:`of` does.

    The frame grows with the image, to the right and down, so boxes keep their coordinates and masks are padded. Heat in
    the padding is outside the truth.
    """
    if name == "none":
        return sample
    side = max(sample.frame)
    read_masks = sample.read_masks
    read_without = sample.read_without
    return replace(
        sample,
        frame=(side, side),
        read=lambda: jf(sample.read()),
        source=_source(sample.source),
        read_masks=read_masks and partial(_padded_masks, read_masks, side),
        read_without=read_without and (lambda finding: jf(read_without(finding))),
    )


def _padded_masks(
    read: Callable[[], Mapping[str, NDArray[np.bool_]]], side: int
) -> dict[str, NDArray[np.bool_]]:
    return {finding: square(mask, side) for finding, mask in read().items()}


def jf(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Equalise the histogram, blur (Gauss, 3 x 3) and pad to a square: (h, w) uint8 -> (L, L), L = max(h, w).

    Source: jfhealthcare/Chexpert, data/utils.py, which resizes before it pads. The option of the backbone
    ``densenet121:mean=128,std=64`` applies its (x - 128) / 64.
    """
    blurred = cv2.GaussianBlur(cv2.equalizeHist(image), (3, 3), 0)
    return square(np.asarray(blurred, np.uint8), max(image.shape), PADDING_GRAY)


def square(image: NDArray[Any], side: int, value: int = 0) -> NDArray[Any]:
    """Pad an image (h, w) with ``value`` below and to the right, to (side, side).

    >>> square(np.array([[1], [2]]), 2, 9).tolist()
    [[1, 9], [2, 9]]
    """
    return np.pad(
        image, ((0, side - image.shape[0]), (0, side - image.shape[1])), constant_values=value
    )


class Prepared(DatasetWrapper):
    """A split of a data set with images preprocessed by :func:`jf`."""

    def __init__(self, data: Dataset) -> None:
        super().__init__(data)
        self.describe = {**data.describe, "preprocess": "jf"}

    @property
    def patients(self) -> list[str]:
        """Patient of each image."""
        return self.data.patients

    def sample(self, index: int) -> Sample:
        """Return the preprocessed sample at ``index``."""
        return one_sample(self.data.sample(index), "jf")


def _source(source: str) -> str:
    """Return a source for the cache key of the preprocessed pixels, with the time and length of the file."""
    if not source:
        return ""
    stamp = content_stamp(source)
    if not stamp:
        return f"jf:{source}"
    return ":".join(["jf", str(Path(source).absolute()), *map(str, stamp)])
