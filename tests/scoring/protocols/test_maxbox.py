"""MaxBoxAcc, against the original evaluator."""

import numpy as np
import pytest

from locus.core.errors import BadValueError
from locus.core.frames import iou
from locus.scoring import pixels, protocols
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.maxbox import STEP

INCLUSIVE = np.array([0, 0, 1, 1])


def sweep(map_, truth, step=STEP, contours="largest"):
    """Return the best IoU (T,) of a map in [0,1] with truth boxes at each score threshold, with truncated corners."""
    traced, corners = pixels.Contours(map_, step), np.trunc(np.asarray(truth) - INCLUSIVE) + INCLUSIVE
    return traced.best_overlap(corners) if contours == "all" else iou(traced.largest(), corners).max(1)


@pytest.mark.oracle
def test_sweeps_and_largest_boxes_equal_the_original_evaluator_bit_for_bit(wsol):
    for name in wsol["ids"]:
        map_, truth = wsol[f"{name}/map"], wsol[f"{name}/gt"] + INCLUSIVE
        assert np.array_equal(sweep(map_, truth), wsol[f"{name}/single_iou"]), name
        assert np.array_equal(sweep(map_, truth, contours="all"), wsol[f"{name}/multi_iou"]), name
        boxes = pixels.Contours(map_, wsol["thr_step"]).largest()
        assert np.array_equal(boxes - INCLUSIVE, wsol[f"{name}/single_box"]), name


@pytest.mark.byhand
def test_levels_are_those_of_float64_products_and_not_of_i_over_100():
    image = np.array([[100]], dtype=np.uint8)
    assert pixels.levels(image, 0.01)[[29, 57, 58]].tolist() == [28, 57, 57]  # 57/100 · 100 would be 56.999…
    assert len(pixels.levels(image, 0.01)) == 100


@pytest.mark.byhand
def test_ties_of_area_go_to_the_last_first_pixel():
    twins = np.zeros((5, 12))
    twins[1:4, 1:4] = twins[1:4, 7:10] = 1
    assert sweep(twins, [[7, 1, 11, 5]], step=0.5).tolist() == [1, 1]
    assert sweep(twins, [[1, 1, 5, 5]], step=0.5).tolist() == [0, 0]
    assert sweep(twins, [[1, 1, 5, 5]], step=0.5, contours="all").tolist() == [1, 1]


@pytest.mark.byhand
def test_area_is_that_of_the_polygon():
    both = np.zeros((6, 30))
    both[0, :], both[3:5, 3:5] = 1, 1
    assert sweep(both, [[3, 3, 6, 6]], step=0.5).tolist() == [1, 1]


@pytest.mark.byhand
def test_inner_contours_box_is_the_holes_grown_by_one():
    ring = np.ones((9, 9))
    ring[4, 4] = 0
    assert sweep(ring, [[3, 3, 7, 7]], step=0.5, contours="all").tolist() == [1, 1]


@pytest.mark.byhand
def test_flat_map_has_the_boxes_of_the_source():
    assert sweep(np.full((4, 4), 0.5), [[0, 0, 4, 4]], step=0.5).tolist() == [1, 1]
    assert sweep(np.zeros((4, 4)), [[0, 0, 1, 1]], step=0.5).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("bad", "facts"),
    [
        ({"step": 0}, r"step.*\b0\b.*\b0\b.*\b1\b"),
        ({"step": 2}, r"step.*\b2\b.*\b0\b.*\b1\b"),
        ({"map_": np.full((2, 2), 1.5)}, r"1\.5.*1\.5.*\[0, 1\]"),
    ],
)
def test_invalid_maps_steps_and_boxes_are_refused(bad, facts):
    with pytest.raises(BadValueError, match=facts):
        sweep(**{"map_": np.eye(3), "truth": [[0, 0, 1, 1]], **bad})


def square(image: str, side: int, truth: list[float], size: int = 224) -> Case:
    """Return a map of 224×224 positions with one bright square."""
    values = np.zeros((224, 224), dtype=np.float32)
    values[50 : 50 + side, 50 : 50 + side] = 1
    scale = size / 224
    return Case(image, image, "mass", values, "conventional", (size, size), np.array([truth]) * scale)


@pytest.mark.byhand
@pytest.mark.parametrize("size", [224, 448])
def test_hits_are_at_or_above_delta_and_the_truth_is_scaled_by_the_protocol(size):
    half = square("half", 29, [50, 50, 80, 65], size)  # the source's box is 30 × 30: IoU exactly .5
    below = square("below", 29, [50, 50, 80, 64], size)
    score = {(s.metric, s.threshold_source): s.value for s in protocols.get("maxbox")().evaluate([half, below], ("mass",)).scores}
    assert score["maxboxacc", "oracle"] == 0.5
    assert score["maxboxaccv2", "oracle"] == pytest.approx((1 + 0.5 + 0) / 3)


@pytest.mark.byhand
def test_each_delta_of_v2_has_a_separate_threshold():
    rng = np.random.default_rng(0)
    cases = [square(f"i{n}", int(rng.integers(5, 60)), [50, 50, *rng.integers(60, 120, 2)]) for n in range(12)]
    result = protocols.get("maxbox")().evaluate(cases, ("mass",))
    score = {(s.metric, s.threshold_source): s.value for s in result.scores if s.finding == "mass"}
    parts = [score[f"maxboxaccv2@iou.{d}", "oracle"] for d in (3, 5, 7)]
    assert score["maxboxaccv2", "oracle"] == pytest.approx(np.mean(parts), abs=2e-6)
    assert len(result.thresholds["oracle"]["mass"]) == 4
