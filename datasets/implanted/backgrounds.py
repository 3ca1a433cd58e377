"""The radiographs that findings are implanted into: without findings, of patients without any truth box."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from core.errors import DataError
from datasets import splits
from datasets.base import Request
from datasets.nih.lists import entries
from datasets.nih.tables import FINDINGS, LAYOUT, read_boxes

HELD_OUT = 0.03
"""Share of the patients that the official test split keeps, and validation of the rest: backgrounds are few."""
FEWEST = 3
"""Patients that three splits need."""


def backgrounds(root: Path, files: Collection[str], request: Request) -> "pd.Series[str]":
    """Image -> patient of the split's backgrounds among ``files``. Raises ``DataError`` for too few, or no table.

    Radiographs without a finding, of patients without any truth box; every patient is on one side.
    """
    table, boxed = entries(root, FINDINGS), read_boxes(root)[0]
    known = table["patient"].isin(table["patient"][table.index.isin(list(boxed))])
    free = table["patient"][table.index.isin(list(files)) & ~known & (table[list(FINDINGS)].max(axis=1) == 0)]
    if free.nunique() < FEWEST:
        what = "patients with an image without findings and none with a truth box"
        raise DataError(f"{root} has {free.nunique()} {what}, {FEWEST} are needed: {LAYOUT}")
    chosen: pd.Series[str] = free[_names(free.tolist(), request) == request.split]
    return chosen


def _names(patients: list[str], request: Request) -> splits.Names:
    """(N,) split names; there are no official lists of backgrounds, that partition holds out few."""
    if request.partition == "official":
        return splits.hold_out_val(patients, ~splits.cut(patients, HELD_OUT, request.seed), request.seed, HELD_OUT)
    return splits.assign(patients, request)
