"""The component tree is what OpenCV's contours are at every threshold: boxes and areas identical, not close."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.pixels import outlines
from core.errors import BadValueError
from tests.oracles.components import Components, components

KINDS = ("noise", "smooth", "plateaus", "rings", "lines", "borders", "constant", "checker", "spots")


def drawn(kind: str, shape: tuple[int, int], levels: int, seed: int) -> np.ndarray:
    """(H,W) integers 0 … levels - 1."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    noise = rng.random(shape)
    if kind == "smooth":
        noise = cv2.GaussianBlur(noise, (0, 0), 1.5)
        noise = (noise - noise.min()) / (np.ptp(noise) + 1e-9) * 0.999
    if kind == "plateaus":
        noise = cv2.resize(rng.random((3, 3)), shape[::-1], interpolation=cv2.INTER_NEAREST).reshape(shape)
    if kind == "rings":
        noise = (np.hypot(y - rng.uniform(0, shape[0]), x - rng.uniform(0, shape[1])) / rng.uniform(1, 4)) % 1
    if kind == "lines":
        noise = np.where(rng.random(shape) < 0.1, noise, 0)
        noise[rng.integers(shape[0])], noise[:, rng.integers(shape[1])] = rng.random(), rng.random()
    if kind == "borders":
        noise[1:-1, 1:-1] *= rng.random()
    if kind == "constant":
        noise[:] = rng.random()
    if kind == "checker":
        noise = ((y + x) % 2 + rng.integers(0, 2, shape)) / 3
    if kind == "spots":
        noise = (rng.random(shape) < 0.3) * 0.999
    return (noise * levels).astype(np.int64)


maps = st.builds(
    drawn, st.sampled_from(KINDS), st.tuples(st.integers(1, 16), st.integers(1, 16)), st.integers(1, 12), st.integers(0, 2**32 - 1)
)


def alive(found: Components, t: float) -> list[tuple]:
    """(box x, y, width, height; area; whether inner) of each contour at a threshold, sorted."""
    out = []
    for nodes, grow in ((found.outer, 0), (found.holes, 1)):
        there = (nodes.low <= t) & (t < nodes.high)
        for (x0, y0, x1, y1), area in zip(nodes.boxes[there].tolist(), nodes.area[there].tolist(), strict=True):
            out.append((x0 - grow, y0 - grow, x1 - x0 + 2 * grow, y1 - y0 + 2 * grow, area, grow == 1))
    return sorted(out)


def contours(values: np.ndarray, t: float) -> list[tuple]:
    """The same by a contour search."""
    found, levels = cv2.findContours((values > t).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return sorted((*cv2.boundingRect(c), cv2.contourArea(c), bool(levels[0][n][3] >= 0)) for n, c in enumerate(found))


@pytest.mark.oracle
@settings(max_examples=400, deadline=None)
@given(maps)
def test_boxes_and_areas_of_all_contours_are_opencvs_at_every_threshold(values):
    found = components(values)
    for t in range(values.min() - 1, values.max() + 1):
        assert alive(found, t) == contours(values, t)


@pytest.mark.oracle
@settings(max_examples=100, deadline=None)
@given(maps, st.sampled_from([np.float32, np.float64]))
def test_float_maps_have_the_same_contours_between_their_values(values, kind):
    real = np.exp(values / 7).astype(kind) - 2
    found = components(real)
    for t in [*np.unique(real), real.min() - 1, *(np.unique(real) + 1e-3)]:
        assert alive(found, t) == contours(real, t)


@pytest.mark.oracle
@settings(max_examples=100, deadline=None)
@given(maps)
def test_pixels_and_first_pixels_are_those_of_component_labelling(values):
    found = components(values).outer
    for t in range(values.min() - 1, values.max()):
        there = (found.low <= t) & (t < found.high)
        count, labels = cv2.connectedComponents((values > t).astype(np.uint8), connectivity=8)
        labelled = [(np.flatnonzero(labels == n)[0], (labels == n).sum()) for n in range(1, count)]
        assert sorted(zip(found.first[there], found.pixels[there], strict=True)) == sorted(labelled)


@settings(max_examples=100, deadline=None)
@given(maps)
def test_a_component_lies_in_its_parent_which_lives_on_where_it_ends_and_has_more_pixels(values):
    found = components(values)
    for nodes, outer in ((found.outer, True), (found.holes, False)):
        own = np.flatnonzero(nodes.parent >= 0)
        up = nodes.parent[own]
        assert (up > own).all()
        assert (nodes.pixels[own] < nodes.pixels[up]).all()
        assert (nodes.area[own] <= nodes.area[up]).all()
        assert (nodes.boxes[own][:, :2] >= nodes.boxes[up][:, :2]).all()
        assert (nodes.boxes[own][:, 2:] <= nodes.boxes[up][:, 2:]).all()
        assert (nodes.low[own] == nodes.high[up]).all() if outer else (nodes.high[own] == nodes.low[up]).all()
        assert (nodes.low < nodes.high).all()
    whole = found.outer
    assert (whole.parent[-1], whole.low[-1], whole.pixels[-1]) == (-1, -np.inf, values.size)
    assert (np.bincount(found.node.ravel(), minlength=len(whole.pixels)) <= whole.pixels).all()
    assert (whole.high[found.node] == values).all()


@settings(max_examples=100, deadline=None)
@given(maps, st.integers(-3, 3), st.integers(-9, 9))
def test_scale_and_offset_move_the_thresholds_and_nothing_else(values, power, offset):
    first, second = components(values), components(values * 2.0**power + offset)
    for one, other in ((first.outer, second.outer), (first.holes, second.holes)):
        assert np.array_equal(one.low * 2.0**power + offset, other.low)
        assert np.array_equal(one.high * 2.0**power + offset, other.high)
        assert all(np.array_equal(getattr(one, f), getattr(other, f)) for f in ("parent", "boxes", "pixels", "first", "area"))


@settings(max_examples=100, deadline=None)
@given(maps)
def test_a_mirrored_map_has_mirrored_boxes(values):
    width = values.shape[1]
    for one, other in zip(*((f.outer, f.holes) for f in (components(values), components(values[:, ::-1]))), strict=True):
        back = np.column_stack([width - other.boxes[:, 2], other.boxes[:, 1], width - other.boxes[:, 0], other.boxes[:, 3]])
        facts = [sorted(map(tuple, np.column_stack([n.low, n.high, b, n.area, n.pixels]))) for n, b in ((one, one.boxes), (other, back))]
        assert facts[0] == facts[1]


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["noise", "smooth", "rings"])
def test_a_large_map_has_opencvs_contours_too(kind):
    values = drawn(kind, (224, 200), 256, 5).astype(np.uint8)
    found = components(values)
    for t in range(0, 255, 30):
        assert alive(found, t) == contours(values, t)


def followed(image: np.ndarray, t: int) -> list[tuple]:
    """What ``alive`` gives, first pixels beside it and inner areas left out, from contours that were followed."""
    out = []
    for found, hole in ((outlines.outer(image), False), (outlines.inner(image), True)):
        there = found[(found[:, outlines.START] <= t) & (t < found[:, outlines.STOP])]
        area = np.where(hole, 0, there[:, outlines.DOUBLE_AREA] / 2)
        out += zip(there[:, outlines.FIRST].tolist(), map(tuple, there[:, outlines.BOX].tolist()), area.tolist(), strict=True)
    return sorted(out)


def of_the_tree(found: Components, t: int) -> list[tuple]:
    """The same from the tree."""
    out = []
    for nodes, hole in ((found.outer, False), (found.holes, True)):
        there = (nodes.low <= t) & (t < nodes.high)
        area = np.where(hole, 0, nodes.area[there])
        out += zip(nodes.first[there].tolist(), map(tuple, nodes.boxes[there].tolist()), area.tolist(), strict=True)
    return sorted(out)


@pytest.mark.oracle
@settings(max_examples=200, deadline=None)
@given(maps, st.sampled_from([1, 20]))
def test_contours_that_are_followed_once_are_the_trees_at_every_level(values, gap):
    image = (values * gap).astype(np.uint8)
    found = components(image)
    for t in range(int(image.max()) + 1):
        assert followed(image, t) == of_the_tree(found, t)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["noise", "smooth", "rings"])
def test_contours_of_a_large_map_are_the_trees(kind):
    image = drawn(kind, (200, 224), 256, 6).astype(np.uint8)
    found = components(image)
    for t in range(0, 256, 25):
        assert followed(image, t) == of_the_tree(found, t)


@pytest.mark.byhand
def test_pixels_that_touch_at_a_corner_are_one_component():
    found = components(np.eye(3)).outer
    assert (found.boxes[0].tolist(), found.pixels[0], found.area[0]) == ([0, 0, 3, 3], 3, 0)


@pytest.mark.byhand
def test_the_background_is_four_connected_so_a_diamond_has_a_hole():
    diamond = components([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert diamond.outer.area[0] == 2
    assert (diamond.holes.boxes.tolist(), diamond.holes.area.tolist()) == ([[1, 1, 2, 2]], [2])


@pytest.mark.byhand
def test_one_pixel_and_a_line_of_pixels_have_no_area():
    spot, line = np.zeros((3, 5)), np.zeros((3, 5))
    spot[1, 1], line[1, 1:4] = 1, 1
    assert components(spot).outer.area[0] == 0
    assert (components(line).outer.area[0], components(line).outer.boxes[0].tolist()) == (0, [1, 1, 4, 2])


@pytest.mark.byhand
def test_a_background_that_reaches_the_border_is_no_hole():
    cup = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]])
    assert len(components(cup).holes.low) == 0


@pytest.mark.byhand
def test_a_constant_map_is_one_component_below_its_value():
    found = components(np.full((4, 6), 0.5, np.float32))
    assert (found.outer.boxes.tolist(), found.outer.low.tolist(), found.outer.high.tolist()) == ([[0, 0, 6, 4]], [-np.inf], [0.5])


@pytest.mark.parametrize(
    ("bad", "facts"),
    [
        (np.zeros((2, 2, 2)), r"\(h, w\).*\(2, 2, 2\)"),
        (np.full((2, 2), np.nan), r"\b4\b.*nan.*\(0, 0\)"),
        (np.zeros((0, 3)), r"\(h, w\).*\(0, 3\)"),
    ],
)
def test_a_map_of_another_shape_or_with_nan_is_refused(bad, facts):
    with pytest.raises(BadValueError, match=facts):
        components(bad)
