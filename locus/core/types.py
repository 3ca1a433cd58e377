"""Types and random numbers that all packages use.

``Sample``     one image of a data set, with its labels and truth
``Score``      the value of a metric, with its confidence interval, sample count and the origin of its threshold
``generator``  reproducible random numbers: one generator per purpose, without global state
``patient_folds``, ``patient_ranks``  random folds and ranks of patients

Frames, grids and boxes are in ``locus.core.frames``.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict

from locus.core.errors import BadValueError, is_shown

FloatArray = NDArray[np.float64]
Echo = Callable[[str], None]
"""Prints a line for the user."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue, on the scale 0 to 1; all images are normalised by them."""
Origin = Literal["none", "fixed", "otsu", "validation", "cross-fitted", "oracle"]
"""Origin of a score threshold."""
CURVE_THRESHOLDS = tuple(n / 20 for n in range(20))
"""Score thresholds of a record's ``hits_by_threshold``: 0, .05 … .95."""


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
    """Path of the file, or a description of generated pixels; part of the cache key."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """view, sex, age …, if known."""
    read_masks: Callable[[], Mapping[str, NDArray[np.bool_]]] | None = None
    """Function that draws the truth masks; None if the data set has only boxes."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W) uint8 pixels of the file, unchanged."""
        return self.read()

    @property
    def masks(self) -> Mapping[str, NDArray[np.bool_]]:
        """finding -> (H, W) truth mask in ``frame``; empty if the data set has only boxes."""
        return {} if self.read_masks is None else self.read_masks()


class FrozenModel(BaseModel):
    """Immutable pydantic model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with updated fields; cached properties are computed again."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields:
            del copied.__dict__[name]
        return copied


def _printable(word: str) -> str:
    if not is_shown(word):
        raise BadValueError(f"the name {word!r} contains control or invisible characters: remove them")
    return word


Name = Annotated[str, AfterValidator(_printable)]
"""Text shown in tables and messages. Raises ``BadValueError`` for control or invisible characters."""


class _Fields(NamedTuple):
    finding: str
    """A finding, or ``mean`` for the unweighted mean over the findings that have a value."""
    metric: str
    """Column name in the tables: ``hit@iou.3``, ``auroc`` …"""
    value: float | None = None
    """None if the metric is undefined (0/0)."""
    low: float | None = None
    """Lower end of the 95% confidence interval; None for fewer than 10 patients and for metrics without an interval,
    such as ``optimism``."""
    high: float | None = None
    """Upper end of the 95% confidence interval."""
    n: int = 0
    """Number of cases, truth boxes or images, depending on the protocol."""
    threshold_origin: Origin = "none"
    """Origin of the score threshold; ``none`` for a metric without a threshold."""
    reason: str = ""
    """Why the value is missing."""


class Score(_Fields):
    """Value of one metric for a finding, with its sample count; ``Score._make`` takes fields that are rounded."""

    __slots__ = ()

    def __new__(  # noqa: D102
        cls,
        finding: str,
        metric: str,
        value: float | None = None,
        low: float | None = None,
        high: float | None = None,
        n: int = 0,
        threshold_origin: Origin = "none",
        reason: str = "",
    ) -> Self:
        value, low, high = map(_rounded, (value, low, high))
        return super().__new__(cls, finding, metric, value, low, high, n, threshold_origin, reason)

    def with_interval(self, low: float, high: float) -> "Score":
        """Return a copy with another interval."""
        return Score(**{**self._asdict(), "low": low, "high": high})


def _rounded(value: float | None) -> float | None:
    """Round to six decimals and remove -0, so that values survive writing and reading unchanged."""
    if value is None:
        return None
    if not math.isfinite(value):
        raise ValueError(f"a score is {value}: use None for a missing value")
    return round(float(value), 6) + 0.0


def generator(*keys: int | str) -> np.random.Generator:
    """Return a ``PCG64`` generator that depends only on the ``keys``.

    >>> bool(generator(0, "folds").random() == generator(0, "folds").random())
    True
    """
    return np.random.Generator(np.random.PCG64([_number(key) for key in keys]))


def patient_folds(patients: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the (N,) fold of each case, 0 … folds-1. The result does not depend on the order of the cases."""
    return patient_ranks(patients, seed, "patient folds")[0] % folds


def patient_ranks(patients: Sequence[str], seed: int, purpose: str) -> tuple[NDArray[np.int64], int]:
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
