"""What the protocols that choose score thresholds share: which columns an origin has, and rows as plain numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.protocols.base import Case, identity
from benchmark.records.record import Origin
from benchmark.statistics.summary import NOTHING, Column
from benchmark.statistics.who import SHARED
from benchmark.thresholds.origins import Way
from core.types import FloatArray

VALIDATION: Origin = "validation"
UNCHOSEN = "no case, or no validation case to choose its threshold on"


class At:
    """N cases at their chosen thresholds of one origin."""

    def __init__(self, way: Way, known: NDArray[np.bool_]) -> None:
        """``known``: (N,) whether a threshold could be chosen for the case; else it has no say."""
        self.way, self.known = way, known

    def column(self, metric: str, part: ArrayLike, whole: ArrayLike = 1.0) -> Column:
        """A metric at this origin: (N,) what counts against (N,) ``whole``.

        Its name says where findings share the threshold.
        """
        origin, suffix = self.way
        against = np.where(self.known, whole, 0.0)
        reason = UNCHOSEN if origin == VALIDATION else NOTHING
        return Column(metric + suffix, origin, np.where(against > 0, part, 0.0), against, reason=reason)


def beside(levels: Mapping[Way, FloatArray], **columns: Mapping[Way, FloatArray]) -> dict[str, FloatArray]:
    """Columns of the other origins in a row, such as ``threshold_oracle``, ``iou_oracle`` and ``iou_oracle@shared``.

    Those of ``validation`` are there, empty, also where there is no such case: all rows of a protocol have the same
    columns.
    """
    told = {"threshold": levels, **columns}
    never = np.full(len(next(iter(levels.values()))), np.nan)
    ways = dict.fromkeys([*levels, *((VALIDATION, suffix) for suffix in ("", SHARED))])
    return {
        f"{name}_{origin}{suffix}": told[name].get((origin, suffix), never) for origin, suffix in ways for name in told
    }


def rows(cases: Sequence[Case], reasons: Sequence[str], columns: Mapping[str, ArrayLike]) -> list[dict[str, Any]]:
    """One row per case: its identity, then the (N,) ``columns`` as plain numbers, None for nan."""
    plain = [
        [None if value != value else value for value in np.asarray(column).tolist()] for column in columns.values()
    ]
    each = zip(*plain, strict=True) if plain else [()] * len(cases)
    return [
        {**identity(case, why), **dict(zip(columns, values, strict=True))}
        for case, why, values in zip(cases, reasons, each, strict=True)
    ]
