"""Masks and pointing rules by hand: three images with a truth, one without."""

import numpy as np
import pytest

from locus.scoring import protocols
from locus.scoring.protocols.base import Case

pytestmark = pytest.mark.byhand
FRAME = (224, 224)
BOX = np.array([[0.0, 0, 112, 224]])
"""The left half."""


def case(image, values, boxes=BOX, finding="Mass", **more):
    label = float(len(boxes) > 0)
    return Case(image, image, finding, values, "conventional", FRAME, np.reshape(boxes, (-1, 4)), label=label, **more)


def halves(left, right):
    return np.repeat([[left] * 112 + [right] * 112], 224, 0).astype(np.float64)


def values(name, cases, **more):
    result = protocols.get(name)().evaluate(cases, ["Mass"], **more)
    return {(score.metric, score.threshold_source): score.value for score in result.scores if score.finding == "mean"}


def test_three_rules_for_images_without_the_finding():
    """Masks: all of the image (Dice 2/3), nothing (0), the truth (1); without the finding: nothing, then everything."""
    cases = [case("a", halves(1, 1)), case("b", halves(0, 0)), case("c", halves(1, 0))]
    cases += [case("d", halves(0, 0), []), case("e", halves(1, 1), [])]
    found = values("masks", cases)
    assert found["dice", "fixed"] == pytest.approx(5 / 9, abs=1e-6)
    assert found["iou", "fixed"] == pytest.approx(1.5 / 3, abs=1e-6)
    assert found["dice@pooled", "fixed"] == pytest.approx(2 * (1 + 0 + 1) / (3 + 1 + 2 + 0 + 2), abs=1e-6)
    assert found["dice@empty_is_1", "fixed"] == pytest.approx((2 / 3 + 0 + 1 + 1 + 0) / 5, abs=1e-6)


def test_an_empty_mask_scores_the_share_of_images_without_the_finding():
    cases = [case("a", halves(0, 0)), case("b", halves(0, 0), []), case("c", halves(0, 0), []), case("d", halves(0, 0), [])]
    found = values("masks", cases)
    assert (found["dice", "fixed"], found["dice@empty_is_1", "fixed"]) == (0, 0.75)


def test_rules_that_count_negatives_need_negatives():
    assert {metric for metric, _ in values("masks", [case("a", halves(1, 0))])} == {"dice", "iou", "cnr"}


def test_thresholds_come_from_the_training_part_or_from_the_scored_images():
    """The scored map needs a threshold below .2, the training map one above it."""
    training = [case("t", halves(0.9, 0.5))]
    found = values("masks", [case("a", halves(0.2, 0.0)), case("b", halves(1.0, 0.7), [])], validation=training)
    assert found["dice", "validation"] == 0
    assert found["dice", "oracle"] == 1


def test_a_failed_map_selects_nothing_and_is_reported():
    result = protocols.get("masks")().evaluate([case("a", None, reason="broken"), case("b", halves(1, 0))], ["Mass"])
    assert result.failed == [("a", "Mass", "broken")]


def test_the_truth_is_the_mask_if_there_is_one():
    truth = halves(0, 1) > 0
    assert values("masks", [case("a", halves(0, 1), read_mask=lambda: truth)])["dice", "fixed"] == 1


@pytest.mark.parametrize(
    ("name", "metric", "expected"),
    [("pointing", "pointing", 0.5), ("pointing_first_box", "pointing@first_box", 1.0), ("pointing_cell", "pointing@cell", 1.0)],
)
def test_pointing_rules_differ(name, metric, expected):
    """A point in the second of two boxes, and one 3 px beside the first of two, in a 16-pixel cell that touches it."""
    boxes = np.array([[100.0, 100, 130, 130], [10, 10, 20, 20]])
    points = {"a": np.array([[14.5, 14.5, 15.5, 15.5, 1]]), "b": np.array([[96.5, 109.5, 97.5, 110.5, 1]])}
    cases = [case(image, None, boxes, submitted_boxes=point) for image, point in points.items()]
    assert values(name, cases)[metric, "none"] == pytest.approx(expected)


def test_pooled_pointing_weighs_frequent_findings():
    hit, miss = (np.array([[x - 0.5, 9.5, x + 0.5, 10.5, 1]]) for x in (10, 200))
    cases = [
        case("a", None, submitted_boxes=hit),
        case("b", None, submitted_boxes=hit),
        case("c", None, finding="Nodule", submitted_boxes=miss),
    ]
    result = protocols.get("pointing_pooled")().evaluate(cases, ["Mass", "Nodule"])
    assert [(score.finding, score.n) for score in result.scores] == [("mean", 3)]
    assert result.scores[0].value == pytest.approx(2 / 3, abs=1e-6)
