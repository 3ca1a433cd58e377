"""Otsu's threshold of a surface: by hand, and against OpenCV for equal weights."""

import cv2
import numpy as np
import pytest

from locus.scoring.protocols.single_box import _weights_of_values, otsu
from locus.scoring.surface import Surface, surface

FRAME = (60, 80)


@pytest.mark.byhand
def test_threshold_is_in_the_middle_between_the_two_most_distinct_classes():
    assert otsu(surface([[0, 1], [7, 9]], FRAME, "conventional")) == 4
    assert otsu(surface([[0, 0], [0, 9]], FRAME, "conventional")) == 4.5


@pytest.mark.byhand
def test_lowest_of_equal_splits_is_used_and_a_flat_map_gives_its_value():
    assert otsu(surface([[0, 1, 2]], FRAME, "conventional")) == 0.5  # {0}, {1, 2} is as good as {0, 1}, {2}
    assert otsu(surface([[3, 3]], FRAME, "conventional")) == 3


@pytest.mark.byhand
def test_vertex_is_weighted_by_the_area_it_covers():
    values = [[0, 4, 10]]
    assert otsu(surface(values, FRAME, "conventional")) == 7  # 2/9 · 8² = 14.2 beats 2/9 · 7²
    left = Surface(np.array(values, float), np.array([30.0]), np.array([60.0, 70, 80]), FRAME)  # 65, 10 and 5 of 80 pixels
    assert otsu(left) == 2  # 65·15·(90/15)² = 35,100 beats 75·5·(10 - 40/75)² = 33,607


@pytest.mark.oracle
def test_threshold_equals_opencv_if_all_weights_are_equal():
    for seed in range(30):
        values = np.random.default_rng(seed).integers(0, 256, (7, 9), dtype=np.uint8)
        level, above = cv2.threshold(values, 0, 1, cv2.THRESH_OTSU)
        result = otsu(surface(values, (224, 360), "conventional"))
        assert np.array_equal(values > result, above > 0), (seed, level, result)


@pytest.mark.oracle
def test_weights_of_values_are_those_of_sorted_values():
    random = np.random.default_rng(0)
    values = np.concatenate([random.random(5000), random.integers(0, 40, 5000) / 39])
    weights = random.random(len(values))
    distinct, sums = _weights_of_values(values, weights)
    order = np.argsort(distinct)
    expected, index = np.unique(values, return_inverse=True)
    np.testing.assert_array_equal(distinct[order], expected)
    np.testing.assert_array_equal(sums[order], np.bincount(index, weights))
