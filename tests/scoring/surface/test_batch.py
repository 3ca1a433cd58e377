"""Cases computed together, against single cases and ``locus.core.frames``."""

import numpy as np
import pytest

from locus.core.frames import iobb, iou
from locus.scoring.surface import all_boxes, surface
from locus.scoring.surface.batch import Boxes, TruthBoxes

FRAME = (300, 500)


@pytest.fixture(scope="module")
def planted():
    """20 cases with 0 to 3 truth boxes each, one of them without a map, at three levels."""
    random = np.random.default_rng(0)
    truths = [np.sort(random.random((n % 4, 2, 2)), 1).reshape(-1, 4) * [500, 300, 500, 300] for n in range(20)]
    surfaces = [None if n == 7 else surface(random.random((5, 6)), FRAME, "conventional") for n in range(20)]
    levels = random.random((20, 3))
    levels[3, 1] = np.nan
    return truths, surfaces, levels


def each(planted):
    """Yield (case, level, boxes, truth)."""
    for n, (truth, on, levels) in enumerate(zip(*planted, strict=True)):
        for place, level in enumerate(levels):
            boxes = np.zeros((0, 4)) if on is None or np.isnan(level) else all_boxes(on, level)[0]
            yield n, place, boxes, truth


@pytest.mark.oracle
def test_boxes_equal_those_of_each_surface_at_each_level(planted):
    _, surfaces, levels = planted
    result = Boxes.from_surfaces(surfaces, levels)
    for n, place, boxes, _ in each(planted):
        at = result.boxes[(result.case_index == n) & (result.threshold_index == place)]
        assert sorted(at.tolist()) == sorted(boxes.tolist())
        assert result.counts(20, 3)[n, place] == len(boxes)


@pytest.mark.oracle
def test_overlaps_are_with_the_best_truth_box_of_the_case(planted):
    truths, surfaces, levels = planted
    result, truth = Boxes.from_surfaces(surfaces, levels), TruthBoxes.from_boxes(truths)
    overlaps = truth.overlaps(result.boxes, result.case_index)
    for measure, values in zip((iou, iobb), overlaps, strict=True):
        expected = [measure(box, truths[n]).max(initial=0) for box, n in zip(result.boxes, result.case_index, strict=True)]
        np.testing.assert_allclose(values, expected, atol=1e-15)
    assert truth.overlaps(np.full((1, 4), np.nan), np.array([1]))[0] == 0


@pytest.mark.oracle
def test_hit_truth_boxes_and_boxes_without_a_hit_are_counted_per_threshold(planted):
    truths, surfaces, levels = planted
    result, truth, above = Boxes.from_surfaces(surfaces, levels), TruthBoxes.from_boxes(truths), (0.05, 0.2)
    for number, measure in enumerate((iou, iobb)):
        counts = truth.match_counts(result, number, above, 3)
        for n, place, boxes, own in each(planted):
            for d, t in enumerate(above):
                met = measure(boxes, own) > t
                assert counts[:, n, place, d].tolist() == [met.any(0).sum(), (~met.any(1)).sum()]
