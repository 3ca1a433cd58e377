"""``miou``: raw values against the union of the truth boxes."""

import numpy as np
import pytest

from benchmark.scoring import protocols
from benchmark.scoring.protocols.base import Case
from benchmark.scoring.protocols.miou import MeanIou, mean_iou


def case(values, boxes=((0, 0, 10, 10), (5, 0, 15, 10))) -> Case:
    return Case("a", "a", "mass", values, "conventional", (10, 20), np.array(boxes, dtype=np.float64))


def value(values) -> tuple[float, str]:
    result = MeanIou().evaluate([case(values)], ("mass",))
    return next(s.value for s in result.scores if s.finding == "mass"), result.rows[0]["reason"]


@pytest.mark.byhand
def test_boxes_are_joined_and_five_thresholds_count_the_same():
    """All of the 10x20 image is above .1 to .3, none above .4: the boxes cover 150 of its 200 pixels."""
    raw = np.array([[0.31, 0.32]], dtype=np.float32)
    assert value(raw) == (pytest.approx(3 * 0.75 / 5), "")


def test_values_are_not_scaled_and_flat_or_broken_maps_are_misses():
    raw = np.array([[0.3, 0.6]], dtype=np.float32)
    assert value(raw)[0] != pytest.approx(value(raw / 2)[0])
    assert mean_iou(-raw, [[0, 0, 10, 10]], (10, 20), "conventional") == 0
    assert value(np.full((2, 2), 0.7, np.float32)) == (0, "flat map")
    assert value(np.array([[np.nan, 1]], dtype=np.float32))[0] == 0


def test_only_suites_that_name_miou_run_it():
    assert "miou" in protocols.names()
    assert "miou" not in protocols.of_maps()
    assert "miou" not in protocols.judging("maps", "confidences")
