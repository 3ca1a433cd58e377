"""Degenerate cases: one answer for each, wherever it is asked."""

import numpy as np
import pytest

from benchmark import protocols
from benchmark.areas import all_areas
from benchmark.localize import boxes
from benchmark.protocols.base import Case
from benchmark.surface import surface
from core.errors import BadValueError

FRAME = (30, 30)
SPOT = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)
SURFACE = ("locus", "wang", "seed", "pointing", "energy")
pytestmark = pytest.mark.byhand


def case(values, truth=((10, 10, 20, 20),), image="a"):
    return Case(image, image, "mass", values, "conventional", FRAME, np.array(truth, dtype=np.float64).reshape(-1, 4))


def result(name, *cases):
    return protocols.get(name)().evaluate(cases, ("mass",), 0)


def value(found, metric, origin=None):
    return next(s.value for s in found.scores if s.metric == metric and s.finding == "mass" and origin in (None, s.threshold_origin))


@pytest.mark.parametrize("name", SURFACE)
@pytest.mark.parametrize("constant", [0, 0.3])
def test_a_flat_map_is_a_miss_with_its_reason_and_no_failure(name, constant):
    found = result(name, case(np.full((3, 3), constant, np.float32)))
    assert [row["reason"] for row in found.rows] == ["flat map"]
    assert not found.failed


@pytest.mark.parametrize("name", SURFACE)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_or_inf_is_a_failed_case_and_the_run_goes_on(name, bad):
    broken = SPOT.copy()
    broken[0, 0] = bad
    found = result(name, case(broken), case(SPOT, image="b"))
    assert found.failed == [("a", "mass", "nan or inf in the map")]
    assert [row["reason"] for row in found.rows] == ["nan or inf in the map", ""]
    with pytest.raises(BadValueError, match="nan or inf"):
        surface(broken, FRAME, "conventional")


def test_several_truth_boxes_are_each_a_truth_for_acc_and_the_best_counts_per_image():
    two = case(SPOT, ((10, 10, 20, 20), (0, 0, 3, 3)))
    assert value(result("wang", two), "acc@iou.1") == 0.5
    assert value(result("locus", two), "hit@iou.5", "fixed") == 1
    assert value(result("pointing", two), "pointing") == 1
    assert value(result("locus", two), "anyhit@iou.3", "fixed") == 0.5


def test_the_first_of_equal_maxima_in_row_major_order_is_the_peak():
    twice = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=np.float32)
    assert value(result("pointing", case(twice, ((20, 0, 30, 10),))), "pointing") == 1
    assert value(result("pointing", case(twice, ((0, 20, 10, 30),))), "pointing") == 0
    assert value(result("locus", case(twice, ((0, 20, 10, 30),))), "hit@iou.3", "fixed") == 0


def test_touching_at_a_saddle_that_equals_the_threshold_does_not_connect():
    pair = np.array([[3.0, 0.0], [0.0, 1.0]])  # saddle .75
    assert len(boxes(pair, 0.75, FRAME, "conventional")) == len(all_areas(surface(pair, FRAME, "conventional"), 0.75)[0]) == 2
    assert len(boxes(pair, np.nextafter(0.75, 0), FRAME, "conventional")) == 1
