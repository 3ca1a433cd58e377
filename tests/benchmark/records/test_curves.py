"""Curves of IoU over score thresholds, written and read."""

import numpy as np
import pytest

from locus.benchmark.records import Cell, curves
from locus.core.errors import BadValueError

CELL = Cell(dataset="NIH", model_id="net-seed0", method="fullgrad", protocol="single_box")


def make_curves(thresholds: int = curves.THRESHOLD_COUNT) -> curves.Curves:
    """Return the curves of two cases: IoU .25 everywhere, and IoU equal to the threshold."""
    rising = (np.arange(thresholds) + 0.5) / thresholds
    iou = np.stack([np.full(thresholds, 0.25), rising])
    return curves.Curves(np.array(["a.png", "b.png"]), np.array(["a", "b"]), np.array(["Mass", "Mass"]), iou)


def test_curves_are_read_as_they_were_written(tmp_path):
    curves.write([curves.table(CELL, make_curves())], tmp_path)
    read = curves.read(tmp_path, [CELL.key])[CELL.key]
    np.testing.assert_allclose(read.iou, make_curves().iou, atol=0.5 / curves.IOU_SCALE)
    assert read.patients.tolist() == ["a", "b"]
    assert read.hits().sum(1).tolist() == [0, 140]


def test_a_record_without_curves_is_left_out(tmp_path):
    curves.write([curves.table(CELL, make_curves())], tmp_path)
    assert curves.read(tmp_path, ["another"]) == {}
    assert curves.read(tmp_path / "none", [CELL.key]) == {}


def test_curves_with_another_number_of_thresholds_are_refused():
    with pytest.raises(BadValueError, match=r"\(2, 100\)"):
        curves.table(CELL, make_curves(thresholds=100))
