"""Per-case rows of two or more cells, restricted to their common cases in the same order."""

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
"""Metric -> origin of its threshold; the main column first."""


@dataclass(frozen=True)
class CommonCases:
    """The cases that two or more cells have in common."""

    tables: "tuple[pd.DataFrame, ...]"
    """One table per cell, with the same image, patient and finding in each row."""
    left_out: tuple[int, ...]
    """Number of cases of each cell that another cell lacks."""

    @cached_property
    def index(self) -> CaseIndex:
        """Finding and patient of each case."""
        return CaseIndex.of(self.tables[0]["finding"].tolist(), self.tables[0]["patient"].tolist())

    @property
    def findings(self) -> list[str]:
        """The findings that have a case, sorted."""
        return np.unique(self.index.findings).tolist()


def read(record: Record, folder: Path) -> "pd.DataFrame":
    """Read the per-case rows of a record of the suite ``folder``, sorted by image and finding.

    Raises ``DataError`` if they are missing or invalid, or if a case is repeated.
    """
    table = rows.read(record.cell, folder)
    absent = [name for name in (*CASE, *map(_column, METRICS)) if name not in table]
    if absent or table.duplicated(CASE).any():
        wrong = f"missing columns {', '.join(absent)}" if absent else "repeated cases"
        name = f"{record.cell.model_id}, {record.cell.method} in {folder}"
        raise DataError(f"the per-case rows of {name} are damaged ({wrong}): {rows.RUN_AGAIN}")
    return table.astype(dict.fromkeys(CASE, str)).sort_values(CASE, ignore_index=True)


def common_cases(tables: "Sequence[pd.DataFrame]") -> CommonCases:
    """Return the rows of the cases that all ``tables`` have, which may be none: see ``CommonCases.left_out``."""
    import pandas as pd  # slow to import, and only needed for comparisons

    keys = [pd.MultiIndex.from_frame(table[CASE]) for table in tables]
    common = keys[0]
    for key in keys[1:]:
        common = common[common.isin(key)]
    rows_in_common = (table[key.isin(common)].reset_index(drop=True) for table, key in zip(tables, keys, strict=True))
    return CommonCases(tuple(rows_in_common), tuple(len(table) - len(common) for table in tables))


def columns(table: "pd.DataFrame", metrics: Sequence[str] = tuple(METRICS)) -> list[Column]:
    """Return the columns of ``metrics`` over the cases of a table."""
    one = np.ones(len(table))
    return [Column(metric, METRICS[metric], table[_column(metric)].to_numpy(np.float64), one) for metric in metrics]


def _column(metric: str) -> str:
    """Return the name of a metric's column in the per-case rows."""
    return "iou" if metric == "mean_iou" else metric
