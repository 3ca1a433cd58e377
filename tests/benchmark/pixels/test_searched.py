"""Contours searched level by level are those that are followed once: each way is the other's oracle."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.pixels import outlines, searched
from benchmark.pixels.contours import Contours

TRUTH = [[2, 3, 9, 11]]


def lived(found: np.ndarray, columns: list[int]) -> list[tuple[int, ...]]:
    """A row per contour and level, sorted: a contour that is followed once lives at several levels."""
    return sorted((level, *row[columns].tolist()) for row in found for level in range(row[outlines.START], row[outlines.STOP]))


@pytest.mark.oracle
@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 16), width=st.integers(1, 16), levels=st.integers(1, 6), blur=st.booleans())
def test_both_ways_give_the_same_contours_and_holes(seed, height, width, levels, blur):
    noise = np.random.default_rng(seed).random((height, width))
    noise = cv2.GaussianBlur(noise, (0, 0), 1) if blur else noise
    image = (noise / noise.max() * levels).astype(np.uint8)
    outer, holes = searched.outer_contours_and_holes(image)
    assert lived(outer, [2, 3, 4, 5, 6, 7]) == lived(outlines.outer(image), [2, 3, 4, 5, 6, 7])
    assert lived(holes, [4, 5, 6, 7]) == lived(outlines.inner(image), [4, 5, 6, 7])


@pytest.mark.oracle
@pytest.mark.parametrize("step", [0.5, 0.1, 0.01])
def test_scores_do_not_depend_on_the_way(step):
    for seed in range(20):
        values = np.random.default_rng(seed).random((20, 17)).astype(np.float32)
        answers = []
        for key in (True, False):
            found = Contours(values, step, search=key)
            answers.append((found.largest().tolist(), found.best_overlap(TRUTH).tolist()))
        assert answers[0] == answers[1]


def test_few_levels_of_a_large_smooth_map_are_searched_all_else_is_followed():
    y, x = np.mgrid[:600, :600]
    ramp = ((x + y) / 1198 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 4, (600, 600), dtype=np.uint8)
    assert searched.cheaper(ramp // 100)
    assert not searched.cheaper(ramp)
    assert not searched.cheaper(noise)
    assert not searched.cheaper((ramp // 100)[::75, ::75])
