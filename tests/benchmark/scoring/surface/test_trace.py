"""The peak's box at all thresholds, against flooding at each threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.scoring.surface import all_boxes, min_max, surface
from benchmark.scoring.surface.joins import joins
from benchmark.scoring.surface.trace import trace
from core.frames import Grid
from tests.oracles.flooding import peak_boxes
from tests.oracles.tracing import boxes as boxes_of

FRAME = (300, 500)
GRIDS = ["conventional", Grid((96, 96), (20, 14), (-21, 12)), Grid((96, 96), (5, 9), (20, 30))]
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
MAPS = SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.integers(0, 32).map(float)))
few = settings(max_examples=60, deadline=None, derandomize=True)


def on_frame(values, grid="conventional"):
    return surface(min_max(values), FRAME, grid)


@pytest.mark.byhand
def test_edge_follows_one_line_then_another():
    values = np.array([[0, 0, 1.0, 0, 0], [0.3, 0.4, 0.5, 0, 0]])  # frame 50 wide: columns at 5, 15 … 45
    result = trace(surface(values, (20, 50), "conventional"))
    assert boxes_of(result, [0.75, 0.42, 0.35, 0.15])[:, 0] == pytest.approx([22.5, 17, 10, 0])
    assert 0.4 in result.thresholds
    assert result.thresholds[-1] == 1


@pytest.mark.byhand
def test_vertices_join_at_saddles_and_passes():
    assert joins(np.array([[1, 0.2], [0.2, 1]])).tolist() == [[1, 0.2], [0.2, pytest.approx(0.6)]]
    assert joins(np.array([[1, 0.3, 0.8]])).tolist() == [[1, 0.3, 0.3]]
    assert joins(np.array([[1, 0.9], [0.2, 0.8]])).tolist() == [[1, 0.9], [0.2, 0.8]]


@pytest.mark.byhand
@pytest.mark.parametrize("value", [0, 0.3])
def test_flat_map_has_no_box_at_any_threshold(value):
    assert np.isnan(boxes_of(trace(surface(np.full((3, 3), value), FRAME, "conventional")), [-1, 0, 0.1])).all()


@pytest.mark.oracle
@pytest.mark.parametrize("grid", GRIDS)
def test_trace_equals_flooding_at_every_threshold(grid):
    random = np.random.default_rng(0)
    for number in range(40):
        values = random.random(random.integers(1, 9, 2)).round(2 if number % 2 else 9)
        on = on_frame(values, grid)
        result = trace(on)
        levels = np.concatenate([random.random(200), on.values.ravel(), (result.thresholds[1:] + result.thresholds[:-1]) / 2])
        levels = levels[np.abs(levels[:, None] - result.thresholds).min(1) > 1e-12]  # at a saddle, rounding decides
        np.testing.assert_allclose(boxes_of(result, levels), peak_boxes(on, levels), atol=1e-8)


@pytest.mark.oracle
def test_box_at_a_vertex_value_is_that_of_the_surface_strictly_above():
    values = np.array([[0, 4, 0, 8, 2], [1, 0, 6, 0, 0], [3, 0, 5, 0, 7]]) / 8
    on = surface(values, FRAME, "conventional")
    levels = np.unique(values)
    np.testing.assert_allclose(boxes_of(trace(on), levels), peak_boxes(on, levels), atol=1e-9)


@pytest.mark.planted
@few
@given(MAPS)
def test_boxes_only_shrink_as_the_threshold_rises(values):
    result = trace(on_frame(values, GRIDS[1]))
    sign = np.array([1, 1, -1, -1])
    assert (sign * (result.stop - result.start) >= -1e-9).all()
    assert (sign * (result.start[1:] - result.stop[:-1]) >= -1e-9).all()


@pytest.mark.planted
@few
@given(MAPS, st.sampled_from([0.25, 1.0, 512.0]), st.sampled_from([0.1, 0.37, 0.73]))
def test_positive_factor_changes_no_box(values, factor, level):
    one, other = (surface(values * f, FRAME, GRIDS[1]) for f in (1.0, factor))
    level = level * 32
    assert all_boxes(one, level)[0].tolist() == all_boxes(other, level * factor)[0].tolist()


@pytest.mark.planted
@few
@given(MAPS, st.sampled_from([3.3, 11.7, 25.1]))
def test_mirrored_map_has_mirrored_boxes(values, level):
    height, width = FRAME
    straight = surface(values, FRAME, "conventional")
    wide, tall = (surface(v, FRAME, "conventional") for v in (values[:, ::-1], values[::-1]))
    boxes = all_boxes(straight, level)[0]
    across = np.column_stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]])
    down = np.column_stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]])
    for mirrored, expected in ((wide, across), (tall, down)):
        np.testing.assert_allclose(_sorted(all_boxes(mirrored, level)[0]), _sorted(expected), atol=1e-8)


@pytest.mark.planted
@few
@given(MAPS, st.sampled_from([0.5, 2.0, 4.0]), st.sampled_from([3.3, 11.7, 25.1]), st.sampled_from(GRIDS))
def test_a_larger_frame_scales_boxes_and_integrals(values, scale, level, grid):
    one, other = surface(values, (300, 500), grid), surface(values, (int(300 * scale), int(500 * scale)), grid)
    np.testing.assert_allclose(all_boxes(one, level)[0] * scale, all_boxes(other, level)[0], atol=1e-8)
    rows, columns = np.array([20, 200]), np.array([10, 300])
    assert one.integrals(rows, columns) * scale**2 == pytest.approx(other.integrals(rows * scale, columns * scale))
    assert one.mean == pytest.approx(other.mean)


def _sorted(boxes):
    return boxes[np.lexsort(boxes.round(6).T)]
