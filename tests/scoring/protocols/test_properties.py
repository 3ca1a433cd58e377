"""Properties of the scores of any map: monotonicity over thresholds, invariances and symmetries."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locus.core.frames import Grid
from locus.scoring import protocols
from locus.scoring.protocols.base import Case

FINDINGS = ("mass", "nodule")
pytestmark = pytest.mark.planted


@st.composite
def worlds(draw, side: int = 224) -> list[Case]:
    """Return twelve images of ten patients with two findings; truth at whole pixels, no equal values in a map."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = draw(st.sampled_from(["conventional", Grid((side, side), (32, 32), (0, 0)), Grid((side, side), (40, 36), (-20, 5))]))
    return [case for n in range(12) for case in _image(n, random, grid, side)]


def _image(number: int, random: np.random.Generator, grid, side: int) -> list[Case]:
    corners = np.sort(random.choice(side // 4, (2, 2), replace=False) * 4, 0)
    boxes = {f: corners.reshape(-1, 4)[: f == FINDINGS[number % 2]].astype(np.float64) for f in FINDINGS}
    maps = {f: (random.choice(10000, 49, replace=False) / 10000).reshape(7, 7) for f in FINDINGS}
    return [Case(f"i{number}", f"p{number % 10}", f, maps[f], grid, (side, side), boxes[f]) for f in FINDINGS]


def evaluate(name: str, cases: list[Case]):
    return protocols.get(name)().evaluate(cases, FINDINGS, 0, cases[:6])


@pytest.mark.parametrize("name", sorted({*protocols.of_maps()} - {"maxbox"}))  # its boxes reach a pixel further right
@settings(max_examples=4, deadline=None)
@given(worlds(), st.sampled_from([0, 1]))
def test_mirrored_image_has_the_same_scores(name, cases, axis):
    both = (evaluate(name, some).scores for some in (cases, [mirrored(case, axis) for case in cases]))
    # hit_rate: of pixels that share a maximum the first in row-major order counts, and in a mirror that is another
    straight, other = ([s.value for s in scores if not s.metric.startswith("hit_rate")] for scores in both)
    assert other == pytest.approx(straight, abs=2e-5)


def mirrored(case: Case, axis: int) -> Case:
    """Return the case upside down (axis 0) or left to right (axis 1)."""
    side, low, high = case.frame[axis], 1 - axis, 3 - axis
    boxes = case.boxes.copy()
    boxes[:, low], boxes[:, high] = side - case.boxes[:, high], side - case.boxes[:, low]
    grid = case.grid
    if isinstance(grid, Grid):
        offset = list(grid.offset)
        offset[axis] = grid.size[axis] - 1 - (grid.offset[axis] + grid.stride[axis] * (case.map.shape[axis] - 1))
        grid = Grid(grid.size, grid.stride, tuple(offset))
    return dataclasses.replace(case, map=np.flip(case.map, axis), boxes=boxes, grid=grid)


@pytest.mark.parametrize("name", [n for n in protocols.of_maps() if protocols.get(n).geometry == "surface"])
@settings(max_examples=2, deadline=None)
@given(worlds(), st.sampled_from([0.5, 2, 3]))
def test_scores_do_not_depend_on_the_scale_of_the_frame(name, cases, factor):
    bigger = [dataclasses.replace(c, frame=(int(c.frame[0] * factor), int(c.frame[1] * factor)), boxes=c.boxes * factor) for c in cases]
    small, large = evaluate(name, cases), evaluate(name, bigger)
    assert [s.value for s in large.scores] == pytest.approx([s.value for s in small.scores], abs=2e-6)
    for edge in ("x0", "y0", "x1", "y1") if name == "single_box" else ():
        assert [row[edge] for row in large.rows] == pytest.approx([row[edge] * factor for row in small.rows], rel=1e-9, abs=1e-9)
