"""Columns and rows of the protocols that choose score thresholds: per origin, as plain numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.protocols.base import Case, common_columns
from benchmark.records.score import Origin
from benchmark.statistics.case_index import SHARED_SUFFIX
from benchmark.statistics.summary import NOTHING, Column
from benchmark.thresholds.origins import ThresholdKey
from core.types import FloatArray

VALIDATION: Origin = "validation"
UNCHOSEN = "no case, or no validation case to choose its threshold on"


class AtThreshold:
    """N cases at their chosen thresholds of one origin."""

    def __init__(self, key: ThresholdKey, has_threshold: NDArray[np.bool_]) -> None:
        """``has_threshold``: (N,) whether a threshold could be chosen for the case; else it has no say."""
        self.key, self.has_threshold = key, has_threshold

    def column(self, metric: str, part: ArrayLike, whole: ArrayLike = 1.0) -> Column:
        """A metric at this origin: (N,) what counts against (N,) ``whole``; its suffix says who shares it."""
        origin, suffix = self.key
        against = np.where(self.has_threshold, whole, 0.0)
        reason = UNCHOSEN if origin == VALIDATION else NOTHING
        return Column(metric + suffix, origin, np.where(against > 0, part, 0.0), against, reason=reason)


def other_origins(
    thresholds: Mapping[ThresholdKey, FloatArray], **columns: Mapping[ThresholdKey, FloatArray]
) -> dict[str, FloatArray]:
    """Columns of the other origins in a row, such as ``threshold_oracle``, ``iou_oracle`` and ``iou_oracle@shared``.

    All rows of a protocol have the same columns: those of ``validation`` are empty where there is no such case.
    """
    tables = {"threshold": thresholds, **columns}
    never = np.full(len(next(iter(thresholds.values()))), np.nan)
    keys = dict.fromkeys([*thresholds, *((VALIDATION, suffix) for suffix in ("", SHARED_SUFFIX))])
    return {
        f"{name}_{origin}{suffix}": tables[name].get((origin, suffix), never)
        for origin, suffix in keys
        for name in tables
    }


def rows(cases: Sequence[Case], reasons: Sequence[str], columns: Mapping[str, ArrayLike]) -> list[dict[str, Any]]:
    """One row per case: the common columns, then the (N,) ``columns`` as plain numbers, None for nan."""
    plain = [
        [None if value != value else value for value in np.asarray(column).tolist()] for column in columns.values()
    ]
    each = zip(*plain, strict=True) if plain else [()] * len(cases)
    return [
        {**common_columns(case, why), **dict(zip(columns, values, strict=True))}
        for case, why, values in zip(cases, reasons, each, strict=True)
    ]
