"""CheXlocalize's protocol: examples by hand, and against OpenCV and plain counting."""

import dataclasses

import cv2
import numpy as np
import pytest

from locus.core.frames import Grid
from locus.scoring.pixels import Picture, interior
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.chexlocalize import THRESHOLDS, CheXlocalize
from locus.scoring.surface.bilinear import min_max, to_frame

FRAME = (30, 40)
RAMP = np.array([[0, 1, 2, 3]], dtype=np.float32)  # frame columns 5, 15, 25, 35
pytestmark = pytest.mark.byhand


def case(image, box, values=RAMP, finding="mass", **more):
    boxes = np.array(box, dtype=np.float64).reshape(-1, 4)
    return Case(image, image, finding, values, "conventional", FRAME, boxes, **more)


def score(cases, metric, threshold_source=None, finding="mass"):
    result = CheXlocalize().evaluate(cases, ("mass", "nodule"), 0)
    found = next(s for s in result.scores if (s.metric, s.finding) == (metric, finding) and threshold_source in (None, s.threshold_source))
    return found.value, found.n


def test_thresholds_equal_the_sources_arange():
    np.testing.assert_allclose(THRESHOLDS, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])


def test_mask_iou_counts_pixels_at_the_best_threshold():
    cases = [case(f"i{n}", [20, 0, 40, 30]) for n in range(10)]  # {map > .5}: columns 20 … 39 on the frame's pixels
    for threshold_source in ("oracle", "cross-fitted"):
        assert score(cases, "mask_iou@box", threshold_source) == (1, 10)
    result = CheXlocalize().evaluate(cases, ("mass",), 0)
    assert result.thresholds["fixed"] == {"mass": [0.5]}
    assert result.thresholds["cross-fitted"] == result.thresholds["oracle"] == {"mass": [0.5], "@shared": [0.5]}
    assert result.rows[0]["iou"] == 1


def test_misses_and_false_alarms_count_as_0_in_mask_iou_all_only():
    box, flat = [20, 0, 40, 30], np.zeros((1, 4), np.float32)
    every = [case("hit", box), case("missed", box, flat), case("alarm", []), case("silent", [], flat)]
    assert score(every, "mask_iou@box", "oracle") == (1, 1)
    assert score(every, "mask_iou_all@box", "oracle") == (pytest.approx(1 / 3, abs=1e-6), 3)
    assert score(every, "hit_rate@box") == (0.5, 2)


def test_mask_replaces_boxes_and_the_rows_say_so():
    mask = np.zeros(FRAME, dtype=bool)
    mask[:, 20:] = True
    with_mask = case("a", [0, 0, 40, 30], read_mask=lambda: mask)
    assert score([with_mask], "mask_iou", "cross-fitted") == (1, 1)
    assert score([with_mask, case("b", [20, 0, 40, 30])], "mask_iou@box", "cross-fitted") == (1, 2)


def test_failed_map_is_named_and_counts_in_the_second_variant_and_the_hit_rate():
    failed = dataclasses.replace(case("b", [20, 0, 40, 30]), map=np.full((1, 4), np.nan))
    cases = [case("a", [20, 0, 40, 30]), failed]
    assert CheXlocalize().evaluate(cases, ("mass",), 0).failed == [("b", "mass", "nan or inf in the map")]
    assert score(cases, "mask_iou_all@box", "oracle") == (0.5, 2)
    assert score(cases, "hit_rate@box") == (0.5, 2)


def test_interior_of_a_box_has_the_pixels_whose_centre_is_in_it():
    mask = interior([[0.6, -5, 2.5, 1.4], [3.6, 0, 99, 99]], (2, 5))
    assert mask.tolist() == [[False, True, False, False, True], [False, False, False, False, True]]
    assert not interior([], (2, 2)).any()


@pytest.mark.oracle
def test_counts_equal_those_of_whole_masks_and_otsu_equals_opencv():
    random = np.random.default_rng(0)
    for seed in range(6):
        values, grid = random.random((5, 7)), Grid((96, 96), (20, 14), (-3, 12))
        truth = interior(np.sort(random.random((2, 2, 2)), 1).reshape(2, 4) * 120, (100, 120))
        picture = to_frame((values - values.min()) / np.ptp(values), (100, 120), grid)
        scaled = (picture - picture.min()) / (picture.max() - picture.min())
        threshold, _ = cv2.threshold(np.uint8(255 * scaled), 0, 255, cv2.THRESH_OTSU)
        masks = [scaled > level for level in THRESHOLDS] + [np.floor(255 * scaled) > threshold]
        ours = Picture.of(min_max(values * 3 - 1), grid, (100, 120))
        expected = [(mask & truth).sum() / (mask | truth).sum() for mask in masks]
        np.testing.assert_allclose(ours.overlaps(truth, THRESHOLDS), expected, atol=1e-12, err_msg=str(seed))
        assert ours.otsu == threshold / 255
        assert ours.hits(truth) == truth.flat[scaled.argmax()]
