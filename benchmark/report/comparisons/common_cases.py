"""Per-case rows of two or more cells, brought to the same cases in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.records import Record
from benchmark.records import cases as rows
from benchmark.scoring.statistics.patients import CaseIndex
from benchmark.scoring.statistics.summary import Column
from core.errors import DataError
from core.names import MAIN
from core.scores import Origin

if TYPE_CHECKING:
    import pandas as pd

CASE = ["image", "patient", "finding"]
METRICS: dict[str, Origin] = {
    MAIN: "cross-fitted",
    "hit@iou.1": "cross-fitted",
    "hit@iou.5": "cross-fitted",
    "mean_iou": "cross-fitted",
    "pointing": "none",
}
"""What is compared -> where its threshold comes from; the main column first."""


@dataclass(frozen=True)
class CommonCases:
    """The cases that all of some cells have."""

    tables: "tuple[pd.DataFrame, ...]"
    """One per cell: the same rows of image, patient and finding, in the same order."""
    left_out: tuple[int, ...]
    """How many cases of each cell the others lack."""

    @cached_property
    def index(self) -> CaseIndex:
        """Finding and patient of each case."""
        return CaseIndex.of(self.tables[0]["finding"].tolist(), self.tables[0]["patient"].tolist())

    @property
    def findings(self) -> list[str]:
        """The findings that have a case, sorted."""
        return np.unique(self.index.findings).tolist()


def read(record: Record, folder: Path) -> "pd.DataFrame":
    """The per-case rows of a record of the suite folder ``folder``, one per image and finding, sorted by them.

    Raises ``DataError`` where they are missing, broken or state a case twice.
    """
    table = rows.read(record.cell, folder)
    absent = [name for name in (*CASE, *map(_column, METRICS)) if name not in table]
    if absent or table.duplicated(CASE).any():
        wrong = f"it lacks {', '.join(absent)}" if absent else "it states a case twice"
        name = f"{record.cell.model_id}, {record.cell.method} in {folder}"
        raise DataError(f"the rows per case of {name} are broken ({wrong}): {rows.AGAIN}")
    return table.astype(dict.fromkeys(CASE, str)).sort_values(CASE, ignore_index=True)


def common_cases(tables: "Sequence[pd.DataFrame]") -> CommonCases:
    """The rows of the cases that all ``tables`` have. None of them may be left: see ``CommonCases.left_out``."""
    import pandas as pd  # who compares nothing does without

    keys = [pd.MultiIndex.from_frame(table[CASE]) for table in tables]
    common = keys[0]
    for key in keys[1:]:
        common = common[common.isin(key)]
    kept = tuple(table[key.isin(common)].reset_index(drop=True) for table, key in zip(tables, keys, strict=True))
    return CommonCases(kept, tuple(len(table) - len(common) for table in tables))


def columns(table: "pd.DataFrame", metrics: Sequence[str] = tuple(METRICS)) -> list[Column]:
    """The columns of ``metrics`` over the cases of a table."""
    one = np.ones(len(table))
    return [Column(metric, METRICS[metric], table[_column(metric)].to_numpy(np.float64), one) for metric in metrics]


def _column(metric: str) -> str:
    """What a row calls a metric."""
    return "iou" if metric == "mean_iou" else metric
