"""IoU of the cases of some rows at many score thresholds, from which other thresholds can be chosen without images.

``curves.parquet`` has a row per training run and case of the rows that a suite compares first. Columns: ``key`` of the
record, ``model_id``, ``method``, ``image``, ``patient``, ``finding``, and ``iou``, the IoU times 10,000 of the box of
``single_box`` with the truth at each of ``THRESHOLDS``.

    pandas.read_parquet("results/nih-sample/curves.parquet")
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
from numpy.typing import NDArray

from locus.benchmark.records import storage
from locus.benchmark.records.record import Cell
from locus.core.errors import BadValueError
from locus.core.types import FloatArray

CURVES = "curves.parquet"
THRESHOLD_COUNT = 200
THRESHOLDS = (np.arange(THRESHOLD_COUNT) + 0.5) / THRESHOLD_COUNT
"""(200,) score thresholds of every curve, the middles of 200 equal steps from 0 to 1."""
IOU_SCALE = 10_000
"""Stored integers are the IoU times this number."""
CASE = ("image", "patient", "finding")
IOU_TYPE = pyarrow.list_(pyarrow.uint16(), THRESHOLD_COUNT)
ADVICE = "restore it from version control"


@dataclass(frozen=True, eq=False)
class Curves:
    """The IoU of N cases of one record at all thresholds."""

    images: NDArray[np.str_]
    """(N,)."""
    patients: NDArray[np.str_]
    """(N,)."""
    findings: NDArray[np.str_]
    """(N,)."""
    iou: FloatArray
    """(N,200) IoU of the box with its best truth box at each of ``THRESHOLDS``, rounded to four decimals."""

    def hits(self, above: float = 0.3) -> NDArray[np.bool_]:
        """Return (N,200) True where the IoU is larger than ``above``."""
        return self.iou > above


def path(folder: Path | str) -> Path:
    """Return the file of a suite's results ``folder``."""
    return Path(folder) / CURVES


def table(cell: Cell, curves: Curves) -> pyarrow.Table:
    """Return the rows of one record. Raises ``BadValueError`` if the curves do not have 200 thresholds."""
    if curves.iou.shape != (len(curves.images), THRESHOLD_COUNT):
        expected = f"({len(curves.images)}, {THRESHOLD_COUNT})"
        raise BadValueError(
            f"curves of shape {curves.iou.shape}: give the IoU of each case at each threshold, {expected}"
        )
    stored = np.rint(curves.iou * IOU_SCALE).astype(np.uint16)
    count = len(curves.images)
    columns = {
        "key": [cell.key] * count,
        "model_id": [cell.model_id] * count,
        "method": [cell.method] * count,
        "image": curves.images.tolist(),
        "patient": curves.patients.tolist(),
        "finding": curves.findings.tolist(),
        "iou": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(stored.ravel()), type=IOU_TYPE),
    }
    return pyarrow.table(columns)


def write(tables: Sequence[pyarrow.Table], folder: Path | str) -> Path:
    """Write the ``tables`` of all records of a suite into its ``folder``, by model, method, image and finding."""
    order = [(name, "ascending") for name in ("model_id", "method", "image", "finding")]
    rows = pyarrow.concat_tables(tables).sort_by(order)
    storage.save(storage.dictionaries(rows), path(folder))
    return path(folder)


def read(folder: Path | str, keys: Collection[str]) -> dict[str, Curves]:
    """Return key of a record -> its curves, for those of the ``keys`` that have curves; empty without a file.

    Cases are ordered by image and finding. Raises ``DataError`` for a broken file.
    """
    if not path(folder).is_file():
        return {}
    rows = storage.words(storage.read_parquet(path(folder), ADVICE))
    rows_by_key = {
        key: storage.rows_with(rows, "key", [key])
        for key in rows["key"].unique().to_pylist()
        if key in keys
    }
    return {key: _of_rows(of_record) for key, of_record in rows_by_key.items()}


def _of_rows(rows: pyarrow.Table) -> Curves:
    """Return the curves of the rows of one record."""
    images, patients, findings = (
        np.array(rows[name].to_pylist(), dtype=str) for name in ("image", "patient", "finding")
    )
    stored = rows["iou"].combine_chunks().flatten().to_numpy().reshape(len(rows), THRESHOLD_COUNT)
    return Curves(images, patients, findings, stored / IOU_SCALE)
