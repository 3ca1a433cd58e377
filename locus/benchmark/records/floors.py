"""Scores of ``prior`` and ``fixed_box`` in resamples of patients that make both again, stored because they are slow.

``floors.parquet`` has a row per baseline and resample of the cross-fitted cases of a suite. Columns: ``cases``, a hash
of the cases and of the number of resamples, ``method``, ``resample`` and ``score``. The resamples are those of
``scoring.rechosen``, so that differences from another row of the same cases are paired.

    pandas.read_parquet("results/nih-heldout/floors.parquet")
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow

from locus.benchmark.records import storage
from locus.core.files import json_hash
from locus.core.types import FloatArray

FLOORS = "floors.parquet"
ADVICE = "restore it from version control"


def path(folder: Path | str) -> Path:
    """Return the file of a suite's results ``folder``."""
    return Path(folder) / FLOORS


def hash_of_cases(
    images: Sequence[str], patients: Sequence[str], findings: Sequence[str], resamples: int
) -> str:
    """Return a hash of N cases, in any order, and of the number of resamples.

    Args:
        images: image of each case.
        patients: patient of each case.
        findings: finding of each case.
        resamples: number of resamples.
    """
    cases = sorted(zip(images, patients, findings, strict=True))
    return json_hash([resamples, cases])


def write(scores: Mapping[str, FloatArray], cases: str, folder: Path | str) -> Path:
    """Write baseline -> scores (B,) of the cases with the hash ``cases`` into a suite's ``folder``."""
    tables = [_table(cases, method, of_method) for method, of_method in sorted(scores.items())]
    storage.save(storage.dictionaries(pyarrow.concat_tables(tables)), path(folder))
    return path(folder)


def _table(cases: str, method: str, scores: FloatArray) -> pyarrow.Table:
    """Return the rows of one baseline."""
    count = len(scores)
    columns = {
        "cases": [cases] * count,
        "method": [method] * count,
        "resample": np.arange(count, dtype=np.int32),
        "score": scores.astype(np.float64),
    }
    return pyarrow.table(columns)


def read(folder: Path | str, cases: str) -> dict[str, FloatArray]:
    """Return baseline -> its scores (B,) on the cases with the hash ``cases``; empty without a file or for other cases.

    Raises ``DataError`` for a broken file.
    """
    if not path(folder).is_file():
        return {}
    rows = storage.words(storage.read_parquet(path(folder), ADVICE))
    rows = storage.rows_with(rows, "cases", [cases])
    methods = rows["method"].unique().to_pylist()
    return {method: storage.numbers(_scores(rows, method)) for method in methods}


def _scores(rows: pyarrow.Table, method: str) -> pyarrow.Array:
    """Return the scores (B,) of one baseline, by resample."""
    of_method = storage.rows_with(rows, "method", [method]).sort_by("resample")
    return of_method["score"].combine_chunks()
