"""Contours that are followed once, against a search with OpenCV at each level."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.scoring.pixels import outlines
from benchmark.scoring.pixels.contours import Contours
from tests.oracles import searched

TRUTH = [[2, 3, 9, 11]]


def lived(result: np.ndarray, columns: list[int]) -> list[tuple[int, ...]]:
    """Return a row per contour and level, sorted; a contour exists at several levels."""
    return sorted((level, *row[columns].tolist()) for row in result for level in range(row[outlines.START], row[outlines.STOP]))


def drawn(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return a map (H,W) in [0,1)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    noise = rng.random(shape)
    if kind == "smooth":
        noise = cv2.GaussianBlur(noise, (0, 0), 1)
    if kind == "plateaus":
        noise = cv2.resize(rng.random((3, 3)), shape[::-1], interpolation=cv2.INTER_NEAREST).reshape(shape)
    if kind == "rings":
        noise = (np.hypot(y - rng.uniform(0, shape[0]), x - rng.uniform(0, shape[1])) / rng.uniform(1, 4)) % 1
    if kind == "lines":
        noise = np.where(rng.random(shape) < 0.1, noise, 0)
        noise[rng.integers(shape[0])], noise[:, rng.integers(shape[1])] = rng.random(), rng.random()
    if kind == "checker":
        noise = ((y + x) % 2 + rng.integers(0, 2, shape)) / 3
    if kind == "constant":
        noise[:] = rng.random()
    return noise


KINDS = ("noise", "smooth", "plateaus", "rings", "lines", "checker", "constant")
SIDES = st.integers(1, 16)


class Searched(Contours):
    """Return the contours by a search at each level."""

    @property
    def _outer(self):
        return searched.outer_contours_and_holes(self._image)[0]

    @property
    def _holes(self):
        return searched.outer_contours_and_holes(self._image)[1]


def assert_alike(image):
    outer, holes = searched.outer_contours_and_holes(image)
    assert lived(outer, [2, 3, 4, 5, 6, 7]) == lived(outlines.outer(image), [2, 3, 4, 5, 6, 7])
    assert lived(holes, [4, 5, 6, 7]) == lived(outlines.inner(image), [4, 5, 6, 7])


@pytest.mark.oracle
@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.tuples(SIDES, SIDES), st.integers(1, 12), st.sampled_from([1, 1, 1, 20]), st.integers(0, 2**32 - 1))
def test_contours_and_holes_equal_those_of_a_component_search(kind, shape, levels, gap, seed):
    assert_alike((drawn(kind, shape, seed) * levels).astype(np.uint8) * gap)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["noise", "smooth", "rings"])
def test_contours_of_a_larger_map_of_256_levels_equal_those_of_a_component_search(kind):
    assert_alike((drawn(kind, (60, 56), 5) * 256).astype(np.uint8))


@pytest.mark.byhand
def test_components_touch_at_corners_and_holes_do_not():
    assert outlines.outer(np.eye(3, dtype=np.uint8))[:, outlines.BOX].tolist() == [[0, 0, 3, 3]]
    diamond = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.uint8)
    assert outlines.outer(diamond)[:, outlines.DOUBLE_AREA].tolist() == [4]
    assert outlines.inner(diamond)[:, outlines.BOX].tolist() == [[1, 1, 2, 2]]
    assert len(outlines.inner(np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]], dtype=np.uint8))) == 0  # a cup is open


@pytest.mark.byhand
def test_one_pixel_and_a_line_of_pixels_have_no_area():
    image = np.zeros((5, 5), dtype=np.uint8)
    image[0, 1] = image[2:, 3] = 1
    assert outlines.outer(image)[:, outlines.DOUBLE_AREA].tolist() == [0, 0]


@pytest.mark.oracle
@pytest.mark.parametrize("step", [0.5, 0.1, 0.01])
def test_scores_equal_those_of_a_component_search(step):
    for seed in range(20):
        values = np.random.default_rng(seed).random((20, 17)).astype(np.float32)
        answers = []
        for kind in (Contours, Searched):
            result = kind(values, step)
            answers.append((result.largest().tolist(), result.best_overlap(TRUTH).tolist()))
        assert answers[0] == answers[1]
