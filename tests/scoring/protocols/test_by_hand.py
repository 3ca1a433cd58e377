"""Each protocol on small examples by hand."""

import numpy as np
import pytest

from locus.core.frames import Grid
from locus.core.scores import CURVE_THRESHOLDS
from locus.scoring import protocols
from locus.scoring.protocols.adaptive_threshold import GRID as RULES
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.pointing import distance
from locus.scoring.protocols.single_box import SingleBox
from locus.scoring.protocols.wang import count
from locus.scoring.surface.batch import Boxes, TruthBoxes

FRAME = (30, 30)
SPOT = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)  # {> t} is the square 15 ± 10 (1 - t)
pytestmark = pytest.mark.byhand


def case(image: str, boxes: list[list[float]], finding: str = "mass", values: np.ndarray | None = SPOT) -> Case:
    return Case(image, image, finding, values, "conventional", FRAME, np.array(boxes, dtype=np.float64).reshape(-1, 4))


def score(name: str, cases: list[Case], metric: str, finding: str = "mass", threshold_source: str | None = None):
    findings = tuple(dict.fromkeys(c.finding for c in cases))
    scores = protocols.get(name)().evaluate(cases, findings, 0).scores
    return next(s for s in scores if s.metric == metric and s.finding == finding and threshold_source in (None, s.threshold_source))


def test_wang_counts_truth_boxes_and_pools_the_boxes_of_both_levels():
    low, high = 10 * (1 - 60 / 255), 10 * (1 - 180 / 255)
    inner = [15 - high, 15 - high, 15 + high, 15 + high]  # what the level 180 gives
    outer = [15 - low, 15 - low, 15 + low, 15 + low]  # what the level 60 gives
    cases = [case("a", [inner]), case("b", [outer, [0, 0, 1, 1]])]
    assert (score("wang", cases, "acc@iou.7").value, score("wang", cases, "acc@iou.7").n) == (pytest.approx(2 / 3), 3)
    assert score("wang", cases, "afp@iou.7").value == pytest.approx(2 / 3)  # the other level's box in each image
    assert score("wang", cases, "afp@iobb.5").value == pytest.approx(1 / 3)  # in b, both boxes lie in the truth; in a, one


def test_wang_false_boxes_on_images_without_the_finding_count_and_divide_by_all_truth_boxes():
    cases = [case("a", [[5, 5, 25, 25]]), case("a", [], "nodule"), case("b", [], "mass"), case("b", [[0, 0, 1, 1]], "nodule")]
    false = score("wang", cases, "afp@iou.1", "nodule")
    assert (false.value, false.n) == (4 / 2, 2)
    assert score("wang", cases, "afp@iou.1", "mean").n == 2


def test_wang_is_strict():
    one = np.zeros(1, dtype=np.int64)
    half = count(Boxes(np.array([[5.0, 5, 25, 15]]), one, one), TruthBoxes.from_boxes([np.array([[5.0, 5, 25, 25]])]))
    assert half[0, 0].tolist() == [1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1]  # IoU exactly .5 is not above .5


def test_seed_uses_the_smaller_of_factor_times_mean_and_high():
    result = protocols.get("adaptive_threshold")().evaluate([case("a", [[5, 5, 25, 25]])], ("mass",), 0)
    mean = 400 / 900 / 4  # the integral of a bilinear hat is a quarter of its square's
    facts = (1.95 * mean, (1 - 1.95 * mean) ** 2, 1)
    assert tuple(result.rows[0][column] for column in ("threshold", "iou", "iobb")) == pytest.approx(facts)


def test_seed_shares_are_at_or_above_a_level_and_no_overlap_is_counted():
    cases = [case("a", [[5, 5, 25, 25]]), case("b", [[0, 0, 1, 1]])]
    assert score("adaptive_threshold", cases, "hit@iou.5", threshold_source="fixed").value == 0.5
    assert score("adaptive_threshold", cases, "no_overlap", threshold_source="fixed").value == 0.5
    assert len(RULES) == 49


def test_seed_iobb_of_a_case_without_a_box_is_undefined():
    cases = [case("a", [[5, 5, 25, 25]]), case("b", [[5, 5, 25, 25]], values=np.zeros((3, 3), np.float32))]
    found = score("adaptive_threshold", cases, "mean_iobb", threshold_source="fixed")
    assert (found.value, found.n) == (1, 1)
    assert score("adaptive_threshold", cases, "hit@iobb.1", threshold_source="fixed").value == 0.5


def test_union_iobb_counts_overlaps_once_and_divides_by_the_prediction():
    place = np.zeros(2, dtype=np.int64)
    found = Boxes(np.array([[0.0, 0, 2, 1], [1, 0, 3, 1]]), place, place)
    shares = TruthBoxes.from_boxes([np.array([[2.0, 0, 9, 9]]), np.array([[0.0, 0, 1, 1]])]).union_iobb(found, 1)
    np.testing.assert_allclose(shares, [[1 / 3], [np.nan]])


def test_pointing_with_tolerance_allows_15_of_224():
    near = 30 * 15 / 224  # 2.009 pixels of the frame
    cases = [case("in", [[14, 14, 16, 16]]), case("near", [[15 + near - 0.01, 0, 30, 30]]), case("far", [[15 + near + 0.01, 0, 30, 30]])]
    assert score("pointing", cases, "pointing").value == pytest.approx(1 / 3)
    assert score("pointing", cases, "pointing@15").value == pytest.approx(2 / 3)


def test_distance_to_a_box_is_euclidean_at_its_corner():
    assert distance((0, 0), [[3, 4, 9, 9]]) == 5


def test_locus_uses_the_peak_component_and_anyhit_all_components():
    two = np.zeros((3, 7), dtype=np.float32)
    two[1, 1], two[1, 5] = 1, 0.9
    truth = np.array([[45.0, 5, 65, 25]])  # around the lower peak
    wide = [Case(f"i{n}", f"p{n}", "mass", two, "conventional", (30, 70), truth) for n in range(10)]
    asked = [("hit@iou.3", "oracle"), ("anyhit@iou.3", "fixed"), ("boxes_per_case", "fixed"), ("pointing", "none")]
    assert [score("single_box", wide, metric, threshold_source=threshold_source).value for metric, threshold_source in asked] == [
        0,
        0,
        2,
        0,
    ]


def test_locus_chooses_the_threshold_on_other_patients_and_optimism_is_the_difference():
    """Pitfall: cut-offs and thresholds tuned on test."""
    small, large = [[13, 13, 17, 17]], [[5, 5, 25, 25]]  # IoU > .3 wants 1 - t < .365, and 1 - t > .548
    cases = [case(f"l{n}", large) for n in range(12)] + [case("s", small)]
    crossed, oracle = (score("single_box", cases, "hit@iou.3", threshold_source=o).value for o in ("cross-fitted", "oracle"))
    assert oracle == crossed == pytest.approx(12 / 13)
    assert score("single_box", cases, "optimism").value == 0
    middle = 0.5 * (1 - 0.3**0.5)  # the large ones hit from 0 to where (1 - t)² = .3
    overlaps = (12 * (1 - middle) ** 2 + 16 / 400 / (1 - middle) ** 2) / 13
    assert score("single_box", cases, "mean_iou", threshold_source="oracle").value == pytest.approx(overlaps, abs=1e-6)
    assert score("single_box", cases, "hit@iou.3", threshold_source="fixed").value == 0  # IoU .25 with the large, .16 with the small
    hits = SingleBox().evaluate(cases, ["mass"]).hits_by_threshold
    assert [hits[CURVE_THRESHOLDS.index(t)] for t in (0.4, 0.5, 0.65, 0.9)] == pytest.approx([12 / 13, 0, 1 / 13, 0], abs=1e-6)


def test_threshold_of_a_single_patient_is_the_default():
    result = SingleBox().evaluate([case("a", [[5, 5, 25, 25]])], ("mass",), 0)
    assert result.thresholds["cross-fitted"] == {"mass": [0.5], "@shared": [0.5]}
    assert result.thresholds["oracle"]["mass"] == result.thresholds["oracle"]["@shared"] == [pytest.approx(0.5 * (1 - 0.3**0.5), abs=1e-6)]


def test_map_that_varies_only_outside_the_frame_is_flat():
    grid = Grid((30, 30), (20, 20), (-24.5, -24.5))  # positions at -24, -4 and 16
    values = np.zeros((3, 3), dtype=np.float32)
    values[0, 0] = 1
    result = SingleBox().evaluate([Case("a", "a", "mass", values, grid, FRAME, np.array([[0.0, 0, 30, 30]]))], ("mass",), 0)
    assert result.rows[0]["reason"] == "flat map"
    assert not result.rows[0]["pointing"]


def test_best_truth_box_counts_for_the_case_and_each_for_anyhit():
    cases = [case(f"i{n}", [[5, 5, 25, 25], [0, 0, 2, 2]]) for n in range(10)]
    assert score("single_box", cases, "hit@iou.3", threshold_source="oracle").value == 1
    half = score("single_box", cases, "anyhit@iou.3", threshold_source="oracle")
    assert (half.value, half.n) == (0.5, 20)


def test_center_inside_checks_the_centre_of_the_truth():
    cases = [case("a", [[14, 14, 18, 18]]), case("b", [[21, 21, 29, 29]]), case("c", [[0, 0, 2, 2], [14, 14, 15, 15]])]
    assert score("single_box", cases, "center_inside", threshold_source="fixed").value == pytest.approx(
        2 / 3, abs=1e-6
    )  # the box is 10 … 20


def test_miou_joins_boxes_and_counts_five_unscaled_thresholds_the_same():
    """All of the image is above .1 to .3, none above .4: the boxes cover half of it."""
    boxes, raw = [[0, 0, 10, 30], [5, 0, 15, 30]], np.array([[0.31, 0.32]], dtype=np.float32)
    for values, share in ((raw, 3 * 0.5 / 5), (raw / 2, 0.5 / 5), (-raw, 0)):
        assert score("miou", [case("a", boxes, values=values)], "miou@raw").value == pytest.approx(share)


def test_only_suites_that_name_miou_run_it():
    assert "miou" in {*protocols.names()} - {*protocols.of_maps(), *protocols.judging("maps", "confidences")}


def test_truth_much_smaller_than_a_cell_is_out_of_reach():
    cases = [case("a", [[0, 0, 5, 5]]), case("b", [[0, 0, 10, 4]]), case("c", [[0, 0, 30, 30]])]  # cells of 10 × 10
    reach = score("single_box", cases, "out_of_reach")
    assert (reach.value, reach.n) == (pytest.approx(1 / 3, abs=1e-6), 3)  # .25, .4 and 1
