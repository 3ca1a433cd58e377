"""FROC and LROC on examples by hand, and against a loop over all thresholds."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.scoring.protocols.base import Case
from benchmark.scoring.protocols.froc import RATES, Froc
from benchmark.scoring.protocols.lroc import Lroc
from core.boxes import iou
from tests.benchmark.scoring.protocols.detections import drawn, given, values

SQUARE, OTHER, AWAY = [0, 0, 10, 10], [50, 50, 60, 60], [80, 80, 90, 90]


@pytest.mark.byhand
def test_sensitivity_is_the_largest_one_up_to_the_rate_and_constant_beyond_the_end():
    cases = [given("a", [SQUARE, OTHER], [[*SQUARE, 0.9], [*OTHER, 0.3]]), given("n", (), [[*AWAY, 0.5]]), given("m")]
    found = values(Froc(), cases)
    assert (found["froc@iou.3@.25"], found["froc@iou.3@.5"], found["froc@iou.3@8"]) == (0.5, 1, 1)
    assert found["froc@iou.3"] == pytest.approx((2 * 0.5 + 5) / 7, abs=1e-6)
    # one false box in three images
    assert (found["froc@iou.3@.25@all"], found["froc@iou.3@.5@all"]) == (0.5, 1)


@pytest.mark.byhand
def test_false_boxes_on_positives_only_count_for_all_images():
    more = [[*AWAY, 0.95], [*SQUARE, 0.9], [*SQUARE, 0.8]]
    found = values(Froc(), [given("a", [SQUARE], more), given("n")])
    assert found["froc@iou.3@.125"] == 1
    assert (found["froc@iou.3@.25@all"], found["froc@iou.3@.5@all"]) == (0, 1)  # one false box in two images


@pytest.mark.byhand
def test_box_hits_by_iou_by_iobb_or_by_the_centre_of_the_truth():
    inner, beside = [0, 0, 4, 4], [4, 0, 40, 40]
    found = [values(Froc(), [given("a", [SQUARE], [[*box, 0.5]]), given("n")]) for box in (inner, beside)]
    words = ("froc@iou.3", "froc@iobb.25", "froc@center")
    assert [[one[word] for word in words] for one in found] == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.byhand
def test_rate_over_negatives_is_undefined_without_negatives():
    result = Froc().evaluate([given("a", [SQUARE], [[*SQUARE, 0.9]])], ("mass",))
    missing = next(s for s in result.scores if (s.metric, s.finding) == ("froc@iou.3", "mass"))
    assert (missing.value, missing.reason) == (None, "no image without the finding")
    assert next(s.value for s in result.scores if s.metric == "froc@iou.3@all") == 1


@pytest.mark.oracle
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_curve_equals_that_of_a_loop_over_confidences(seed):
    cases = drawn(seed)
    found, curve = values(Froc(), cases), walked(cases)
    for rate in RATES:
        for suffix in ("", "@all"):
            name = f"froc@iou.3@{rate:g}{suffix}".replace("@0.", "@.")
            assert found[name] == pytest.approx(best(curve, cases, rate, everywhere=bool(suffix)), abs=1e-6)


def walked(cases: list[Case]) -> list[list[tuple[int, int]]]:
    """Return the false boxes and the hit truth boxes of all cases at each confidence."""
    overlaps = [iou(case.submitted_boxes[:, :4], case.boxes) for case in cases]
    curve = []
    for confidence in sorted({row[4] for case in cases for row in case.submitted_boxes.tolist()}):
        kept = [overlap[case.submitted_boxes[:, 4] >= confidence] for case, overlap in zip(cases, overlaps, strict=True)]
        curve.append([((overlap <= 0.3).all(1).sum(), (overlap > 0.3).any(0).sum()) for overlap in kept])
    return curve


def best(curve: list[list[tuple[int, int]]], cases: list[Case], rate: float, everywhere: bool) -> float:
    counted = [everywhere or not len(case.boxes) for case in cases]
    allowed = [step for step in curve if sum(false for (false, _), some in zip(step, counted, strict=True) if some) <= rate * sum(counted)]
    return max((sum(hit for _, hit in step) for step in allowed), default=0) / sum(len(case.boxes) for case in cases)


@pytest.mark.byhand
def test_lroc_counts_located_positives_above_negatives():
    right, wrong = given("a", [SQUARE], [[*SQUARE, 0.8]]), given("b", [SQUARE], [[*AWAY, 0.9]])
    low, high = given("n", (), [[*AWAY, 0.3]]), given("m", (), [[*AWAY, 0.8]])
    assert values(Lroc(), [right, wrong, low, high])["lroc"] == pytest.approx((1 + 0.5) / 4, abs=1e-6)
    assert values(Lroc(), [given("c", [SQUARE]), low])["lroc"] == 0
    assert values(Lroc(), [right])["lroc"] is None


@pytest.mark.byhand
def test_map_is_rated_by_probability_and_located_at_its_highest_point():
    spot = np.zeros((5, 5), dtype=np.float32)
    spot[1, 1] = 1
    truth = np.array([[20.0, 20, 40, 40]])
    about = {"frame": (100, 100), "grid": "conventional", "finding": "mass"}
    positive = Case("a", "a", map=spot, boxes=truth, label=1.0, probability=0.7, **about)
    negatives = [Case(n, n, map=spot, boxes=np.zeros((0, 4)), label=0.0, probability=p, **about) for n, p in (("m", 0.6), ("n", 0.8))]
    assert values(Lroc(), [positive, *negatives])["lroc"] == 0.5


@pytest.mark.oracle
def test_lroc_is_the_auroc_if_all_locations_are_correct():
    random = np.random.default_rng(0)
    ratings = random.random(60).round(1)  # with ties
    truths = [[SQUARE] if n % 3 else [] for n in range(60)]
    cases = [given(f"i{n}", truths[n], [[*SQUARE, ratings[n]]]) for n in range(60)]
    expected = roc_auc_score([len(truth) for truth in truths], ratings)
    assert values(Lroc(), cases)["lroc"] == pytest.approx(expected, abs=1e-6)
