"""Average precision of boxes with confidences: by hand, and against VOC and pycocotools."""

import dataclasses

import numpy as np
import pytest

from benchmark.scoring.protocols.base import Case
from benchmark.scoring.protocols.detection import IOU, Detection
from benchmark.scoring.protocols.locus import Locus
from core.errors import NotAvailableError
from tests.benchmark.scoring.protocols.detections import drawn, given, values
from tests.oracles import coco, voc

SQUARE, OTHER, AWAY = [0, 0, 10, 10], [50, 50, 60, 60], [80, 80, 90, 90]


@pytest.mark.byhand
def test_false_box_between_two_true_ones_costs_a_third_of_the_second():
    cases = [given("a", [SQUARE], [[*SQUARE, 0.9]]), given("b", [OTHER], [[*AWAY, 0.8], [*OTHER, 0.7]])]
    assert values(Detection(), cases)["ap@iou.4"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3, abs=1e-6)
    # recalls 0, .01 … .5 have precision 1, those above 2/3
    assert values(Detection(), cases)["ap101@iou.4"] == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-6)


@pytest.mark.byhand
def test_second_box_on_a_truth_is_false():
    alone, twice = ([given("a", [SQUARE, OTHER], [[*SQUARE, 0.9], *more, [*OTHER, 0.1]])] for more in ([], [[*SQUARE, 0.5]]))
    assert values(Detection(), alone)["ap@iou.4"] == 1
    assert values(Detection(), twice)["ap@iou.4"] == pytest.approx(1 / 2 + 1 / 2 * 2 / 3, abs=1e-6)


@pytest.mark.byhand
def test_overlap_of_exactly_the_threshold_is_a_hit_for_coco_only():
    found = values(Detection(), [given("a", [[0, 0, 10, 10]], [[0, 0, 10, 5, 0.9]])])
    assert (found["ap@iou.5"], found["ap101@iou.5"]) == (0, 1)
    assert found["ap@iou.4"] == 1


@pytest.mark.byhand
def test_boxes_on_negatives_are_false_and_images_labelled_positive_without_a_box_are_left_out_and_counted():
    hit = given("a", [SQUARE], [[*SQUARE, 0.5]])
    noise = [[*AWAY, 0.9]]
    before, alarm, unboxed, unknown = (
        values(Detection(), [hit, *others])
        for others in ([], [given("n", (), noise)], [given("n", (), noise, label=1)], [given("n", (), noise, label=float("nan"))])
    )
    assert (before["ap@iou.4"], before["left_out"]) == (1, 0)
    assert (alarm["ap@iou.4"], alarm["left_out"]) == (0.5, 0)
    assert (unboxed["ap@iou.4"], unboxed["left_out"]) == (1, 0.5)
    assert (unknown["ap@iou.4"], unknown["left_out"]) == (1, 0.5)


@pytest.mark.byhand
def test_confidence_of_a_map_box_is_the_probability_times_its_peak():
    values_ = np.zeros((5, 5), dtype=np.float32)
    values_[1, 1], values_[3, 3] = 1, 0.75
    truth = np.array([[20.0, 20, 40, 40]])
    case = Case("a", "a", "mass", values_, "conventional", (100, 100), truth, probability=0.8)
    assert Detection().evaluate([case], ("mass",)).rows[0] == {
        **{"image": "a", "patient": "a", "finding": "mass", "reason": "", "truths": 1},
        **{"boxes": 2, "confidence": 0.8, "hits": 1},
    }
    with pytest.raises(NotAvailableError, match="--predictions"):
        Detection().evaluate([dataclasses.replace(case, probability=None)], ("mass",))


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(20))
def test_all_points_average_precision_equals_voc_2010(seed):
    cases = drawn(seed)
    boxes = [(case.image_id, row[4], row[:4]) for case in cases for row in case.submitted_boxes.tolist()]
    truth = {case.image_id: case.boxes.tolist() for case in cases}
    found = values(Detection(), cases)
    for above in IOU:
        expected = voc.average_precision(boxes, truth, above)
        assert found[f"ap@iou{above:g}".replace("iou0", "iou")] == pytest.approx(expected, abs=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(5))
def test_average_precision_at_101_recalls_equals_pycocotools(seed):
    pytest.importorskip("pycocotools")
    cases = drawn(seed)
    found = values(Detection(), cases)
    for at_least, expected in in_coco(cases).items():
        assert found[f"ap101@iou{at_least:g}".replace("iou0", "iou")] == pytest.approx(expected, abs=1e-6)


def in_coco(cases: list[Case]) -> dict[float, float]:
    annotations = [(n, box) for n, case in enumerate(cases) for box in case.boxes]
    truth = {
        "images": [{"id": n} for n in range(len(cases))],
        "categories": [{"id": 1}],
        "annotations": [{"image_id": n, "category_id": 1, "bbox": xywh(box)} for n, box in annotations],
    }
    boxes = [
        {"image_id": n, "category_id": 1, "bbox": xywh(row), "score": row[4]}
        for n, case in enumerate(cases)
        for row in case.submitted_boxes
    ]
    return dict(zip(IOU, coco.average_precision(truth, boxes, IOU)[:, 0].tolist(), strict=True))


def xywh(box) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


@pytest.mark.byhand
def test_locus_uses_the_most_confident_submitted_box_at_every_threshold():
    cases = [
        given("a", [SQUARE], [[*AWAY, 0.2], [*SQUARE, 0.9]]),
        given("b", [SQUARE], [[*SQUARE, 0.2], [*AWAY, 0.9]]),
        given("c", [SQUARE]),
    ]
    result = Locus().evaluate(cases, ("mass",))
    found = {(s.metric, s.threshold_origin): s.value for s in result.scores if s.finding == "mass"}
    for origin in ("cross-fitted", "oracle", "fixed"):
        assert found["hit@iou.3", origin] == pytest.approx(1 / 3, abs=1e-6)
        assert found["anyhit@iou.3", origin] == pytest.approx(2 / 3, abs=1e-6)
        assert found["boxes_per_case", origin] == pytest.approx(4 / 3, abs=1e-6)
    assert found["pointing", "none"] == pytest.approx(1 / 3, abs=1e-6)
    assert [row["reason"] for row in result.rows] == ["", "", "no box"]
    assert not result.failed
