"""Differences between two records, and between two tables of per-case rows."""

import numpy as np
import pandas as pd
import pytest

from benchmark.records import Cell, Record, Score, Stratum
from benchmark.suite.verify.differences import differences, row_differences

pytestmark = pytest.mark.byhand


def record(value=0.5, low=0.4, n=20, threshold=0.25, status="ok", more=()):
    score = Score(finding="mass", metric="hit@iou.3", value=value, low=low, high=0.6, n=n, threshold_origin="cross-fitted")
    thresholds = {"cross-fitted": {"mass": [threshold, 0.5]}}
    strata = (Stratum(variable="size", group="small", scores=(score,)),)
    return Record(cell=Cell(dataset="phantom"), status=status, thresholds=thresholds, scores=(score, *more), strata=strata)


def named(stated, found):
    return [(item.what, item.recorded, item.measured) for item in differences(stated, found)]


def test_record_equals_itself_whatever_its_times():
    assert named(record(), record()) == []
    assert named(record(), record().model_copy(update={"created": "2026-11-20", "seconds": 3.0})) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"value": 0.6}, ("mass hit@iou.3 (cross-fitted) value", 0.5, 0.6)),
        ({"low": None}, ("mass hit@iou.3 (cross-fitted) low", 0.4, None)),
        ({"n": 21}, ("mass hit@iou.3 (cross-fitted) n", 20, 21)),
        ({"threshold": 0.2501}, ("threshold cross-fitted mass 1", 0.25, 0.2501)),
        ({"status": "failed"}, ("status", "ok", "failed")),
    ],
)
def test_all_different_values_are_listed(change, found):
    assert named(record(), record(**change))[0] == found


def test_strata_are_compared():
    assert ("size small: mass hit@iou.3 (cross-fitted) value", 0.5, 0.6) in named(record(), record(value=0.6))


def test_value_that_only_one_record_has_differs():
    more = (Score(finding="mean", metric="pointing", value=0.5, n=3),)
    assert named(record(), record(more=more))[0] == ("mean pointing value", None, 0.5)
    assert len(named(record(more=more), record())) == 2  # value and n; without an interval nothing is lost


def test_the_sixth_decimal_may_be_rounded_the_other_way():
    assert named(record(value=0.333333), record(value=0.333334)) == []
    assert named(record(value=0.333333), record(value=0.333335)) != []


def test_an_interval_s_end_may_move_by_a_thousandth_of_its_width():
    assert named(record(low=0.4), record(low=0.40019)) == []
    assert named(record(low=0.4), record(low=0.40021)) != []
    assert named(record(value=0.5), record(value=0.50019)) != []


def test_rows_are_compared_by_column():
    rows = pd.DataFrame({"image": ["a", "b"], "iou": np.float32([0.5, np.nan]), "hit": [True, False]})
    assert row_differences(rows, rows.copy()) == []
    (other,) = row_differences(rows, rows.assign(hit=[True, True]))
    assert (other.what, other.recorded, other.measured) == ("per-case row 2 hit", 0.0, 1.0)
    assert [item.what for item in row_differences(rows, rows.drop(columns="iou"))] == ["per-case row 1 iou"]
    assert [item.what for item in row_differences(rows, rows[:1])] == ["number of per-case rows"]


def test_newer_metric_is_not_a_difference():
    more = (Score(finding="mean", metric="center_inside", value=0.5, n=3, threshold_origin="oracle"),)
    assert named(record(), record(more=more)) == []
    assert named(record(more=more), record()) != []
    curve = record().model_copy(update={"hits_by_threshold": (0.5,) * 20})
    assert named(record(), curve) == []
    assert named(curve, record())[0] == ("hits_by_threshold 1", 0.5, None)
    rows = pd.DataFrame({"image": ["a"]})
    assert row_differences(rows, rows.assign(center_inside=[True])) == []
