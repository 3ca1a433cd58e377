"""Protocols of boxes with confidences: by hand, and against VOC, pycocotools and a loop over all thresholds."""

import dataclasses

import numpy as np
import pytest

from locus.core.errors import NotAvailableError
from locus.core.frames import iou
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.detection import AP_IOU, RATES, Detection, Froc
from locus.scoring.protocols.single_box import SingleBox
from tests.oracles import coco

FRAME = (100, 100)
SQUARE, OTHER, AWAY = [0, 0, 10, 10], [50, 50, 60, 60], [80, 80, 90, 90]
INNER = np.array([[20.0, 20, 40, 40]])


def given(image: str, truth=(), boxes=(), label: float | None = None) -> Case:
    """Return a case with ``boxes`` (xyxy and confidence); without a truth box it is a negative unless ``label`` is set."""
    rows, true = np.array(boxes, dtype=np.float64).reshape(-1, 5), np.array(truth, dtype=np.float64).reshape(-1, 4)
    known = float(len(true) > 0) if label is None else label
    return Case(image, image, "mass", None, "conventional", FRAME, true, label=known, submitted_boxes=rows)


def drawn(seed: int, images: int = 30) -> list[Case]:
    """Return images with up to three truth boxes, and boxes near and far with different confidences."""
    random = np.random.default_rng(seed)
    confidences = iter(random.permutation(10_000) / 10_000)
    return [_image(f"i{n:03}", random, confidences) for n in range(images)]


def _image(name: str, random: np.random.Generator, confidences) -> Case:
    corner = random.uniform(0, 60, (random.integers(0, 4), 2))
    truth = np.concatenate([corner, corner + random.uniform(10, 40, corner.shape)], 1)
    near = truth[random.integers(0, len(truth), 4)] + random.uniform(-4.5, 4.5, (4, 4)) if len(truth) else np.zeros((0, 4))
    far = random.uniform(0, 60, (2, 2))
    boxes = np.concatenate([near, np.concatenate([far, far + random.uniform(5, 40, far.shape)], 1)])
    return given(name, truth, [[*box, next(confidences)] for box in boxes])


def values(protocol, cases: list[Case]) -> dict[str, float | None]:
    """Return metric -> value."""
    return {s.metric: s.value for s in protocol.evaluate(cases, ("mass",)).scores if s.finding == "mass"}


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
    noise = [given("n", (), [[*AWAY, 0.9]], label) for label in (None, 1, float("nan"))]
    found = [values(Detection(), cases) for cases in ([hit], *([hit, other] for other in noise))]
    assert [(one["ap@iou.4"], one["left_out"]) for one in found] == [(1, 0), (0.5, 0), (1, 0.5), (1, 0.5)]


@pytest.mark.byhand
def test_confidence_of_a_map_box_is_the_probability_times_its_peak():
    case = Case("a", "a", "mass", np.diag([0, 1, 0, 0.75, 0]), "conventional", FRAME, INNER, probability=0.8)
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
    found = values(Detection(), cases)
    for above in AP_IOU:
        assert found[f"ap@iou{above:g}".replace("iou0", "iou")] == pytest.approx(voc_2010(cases, above), abs=1e-6)


def voc_2010(cases: list[Case], above: float) -> float:
    """Return the average precision as VOC's development kit computes it (VOCevaldet.m, VOCap.m)."""
    found, hits = set(), []
    pairs = [(case, row) for case in cases for row in case.submitted_boxes]
    for case, row in sorted(pairs, key=lambda pair: -pair[1][4]):
        overlaps = [*iou([row[:4]], case.boxes)[0], 0]
        best = case.image_id, np.argmax(overlaps)
        hits.append(max(overlaps) > above and best not in found)
        found |= {best} if hits[-1] else set()
    true = np.cumsum(hits)
    recall, precision = true / sum(len(case.boxes) for case in cases), true / np.arange(1, len(true) + 1)
    return np.diff(recall, prepend=0) @ np.maximum.accumulate(precision[::-1])[::-1]


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(5))
def test_average_precision_at_101_recalls_equals_pycocotools(seed):
    pytest.importorskip("pycocotools")
    cases = drawn(seed)
    images = {"images": [{"id": n} for n in range(len(cases))], "categories": [{"id": 1}]}
    truth = {**images, "annotations": annotations([case.boxes for case in cases])}
    expected = coco.average_precision(truth, annotations([case.submitted_boxes for case in cases]), AP_IOU)[:, 0]
    found = values(Detection(), cases)
    assert [found[f"ap101@iou{t:g}".replace("iou0", "iou")] for t in AP_IOU] == pytest.approx(expected.tolist(), abs=1e-6)


def annotations(boxes: list[np.ndarray]) -> list[dict]:
    """Return the boxes of each image in COCO's words."""
    flat = [(n, row, [*row[:2], *(row[2:4] - row[:2])]) for n, rows in enumerate(boxes) for row in rows]
    return [{"image_id": n, "category_id": 1, "bbox": xywh, "score": row[-1]} for n, row, xywh in flat]


@pytest.mark.byhand
def test_locus_uses_the_most_confident_submitted_box_at_every_threshold():
    cases = [
        given("a", [SQUARE], [[*AWAY, 0.2], [*SQUARE, 0.9]]),
        given("b", [SQUARE], [[*SQUARE, 0.2], [*AWAY, 0.9]]),
        given("c", [SQUARE]),
    ]
    result = SingleBox().evaluate(cases, ("mass",))
    found = {(s.metric, s.threshold_source): s.value for s in result.scores if s.finding == "mass"}
    assert found["pointing", "none"] == pytest.approx(1 / 3, abs=1e-6)
    for threshold_source in ("cross-fitted", "oracle", "fixed"):
        scores = [found[metric, threshold_source] for metric in ("hit@iou.3", "anyhit@iou.3", "boxes_per_case")]
        assert scores == pytest.approx([1 / 3, 2 / 3, 4 / 3], abs=1e-6)
    assert [row["reason"] for row in result.rows] == ["", "", "no box"]
    assert not result.failed


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
    found, (false, hit) = values(Froc(), cases), looped(cases)
    for suffix, counted in (("", [not len(case.boxes) for case in cases]), ("@all", [True] * len(cases))):
        for rate in RATES:
            name = f"froc@iou.3@{rate:g}{suffix}".replace("@0.", "@.")
            best = hit[false[:, counted].sum(1) <= rate * sum(counted)].max(initial=0)
            assert found[name] == pytest.approx(best, abs=1e-6)


def looped(cases: list[Case]) -> tuple[np.ndarray, np.ndarray]:
    """Return each case's false boxes (T,N), and the share of truth boxes that are hit (T,), at T confidences."""
    pairs = [(case.submitted_boxes[:, 4], iou(case.submitted_boxes[:, :4], case.boxes) > 0.3) for case in cases]
    steps = [[hits[own >= level] for own, hits in pairs] for level in np.concatenate([own for own, _ in pairs])]
    false = [[(~hits.any(1)).sum() for hits in step] for step in steps]
    hit = [sum(hits.any(0).sum() for hits in step) for step in steps]
    return np.array(false), np.array(hit) / sum(len(case.boxes) for case in cases)
