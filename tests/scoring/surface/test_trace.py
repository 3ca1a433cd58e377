"""The peak's box at all thresholds, against the surface at each threshold; traces in a file, and in memory."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from locus.core.errors import WriteError
from locus.scoring.surface import batch, min_max, surface
from locus.scoring.surface.trace import EMPTY, joins, trace, traces_of_means
from tests.oracles.tracing import SHIFTS, peak_boxes, placed
from tests.oracles.tracing import boxes as boxes_of

FRAME = (300, 500)


@pytest.mark.byhand
def test_edge_follows_one_line_then_another():
    values = np.array([[0, 0, 1.0, 0, 0], [0.3, 0.4, 0.5, 0, 0]])  # frame 50 wide: columns at 5, 15 … 45
    result = trace(surface(values, (20, 50), "conventional"))
    assert boxes_of(result, [0.75, 0.42, 0.35, 0.15])[:, 0] == pytest.approx([22.5, 17, 10, 0])
    assert 0.4 in result.rows[:, 0]
    assert result.rows[-1, 1] == 1


@pytest.mark.byhand
def test_vertices_join_at_saddles_and_passes():
    assert joins(np.array([[1, 0.2], [0.2, 1]]), 0.0).tolist() == [[1, 0.2], [0.2, pytest.approx(0.6)]]
    assert joins(np.array([[1, 0.3, 0.8]]), 0.0).tolist() == [[1, 0.3, 0.3]]
    assert joins(np.array([[1, 0.9], [0.2, 0.8]]), 0.0).tolist() == [[1, 0.9], [0.2, 0.8]]


@pytest.mark.oracle
@pytest.mark.parametrize("shift", SHIFTS)
def test_trace_equals_the_surface_at_every_threshold(shift):
    random = np.random.default_rng(0)
    for number in range(41):
        shape = random.integers(1, 9, 2) if number else (70, 60)  # larger maps are swept
        on = surface(min_max(random.random(shape).round(2 if number % 2 else 9)), FRAME, placed(shift, shape))
        result = trace(on)
        thresholds = np.unique(result.rows[:, :2])
        levels = np.concatenate([random.random(200), on.values.ravel(), (thresholds[1:] + thresholds[:-1]) / 2])
        levels = levels[np.abs(levels[:, None] - thresholds).min(1, initial=1) > 1e-12]  # at a saddle, rounding decides
        np.testing.assert_allclose(boxes_of(result, levels), peak_boxes(on, levels), atol=1e-8)


@pytest.mark.oracle
def test_traces_of_means_are_those_of_each_mean_and_empty_for_a_flat_one():
    random = np.random.default_rng(0)
    first = surface(min_max(random.random((9, 7))), FRAME, "conventional")
    weights = np.array([0.2, 0.5, 0.9])
    for second in (surface(min_max(random.random((9, 7))), FRAME, "conventional"), replace(first, values=1 - first.values)):
        at_once = [*traces_of_means(first, second, weights)]
        means = [replace(first, values=weight * first.values + (1 - weight) * second.values) for weight in weights]
        assert [traced.rows.tolist() for traced in at_once] == [trace(mean).rows.tolist() for mean in means]
    assert not len(at_once[1].rows)  # half of a map and half of its opposite


@pytest.mark.oracle
def test_box_at_a_vertex_value_is_that_of_the_surface_strictly_above():
    values = np.array([[0, 4, 0, 8, 2], [1, 0, 6, 0, 0], [3, 0, 5, 0, 7]]) / 8
    on = surface(values, FRAME, "conventional")
    levels = np.unique(values)
    np.testing.assert_allclose(boxes_of(trace(on), levels), peak_boxes(on, levels), atol=1e-9)


@pytest.fixture(scope="module")
def some():
    maps = np.random.default_rng(0).random((12, 9, 7))
    return [EMPTY, *(trace(surface(min_max(values), (90, 70), "conventional")) for values in maps), EMPTY]


@pytest.fixture
def in_a_file(monkeypatch, some):
    monkeypatch.setattr(batch, "MAX_TRACE_BYTES", 600)
    return batch.Traces(iter(some))


@pytest.mark.oracle
def test_boxes_from_a_file_and_from_memory_equal_those_of_each_trace(in_a_file, monkeypatch, some):
    monkeypatch.undo()
    cases, thresholds = np.array([12, 0, 5, 5, 13, 1]), np.random.default_rng(1).random((6, 4))
    alone = [boxes_of(some[case], levels) for case, levels in zip(cases, thresholds, strict=True)]
    at_once = batch.Traces(some)
    assert len(in_a_file) == len(at_once) == len(some)
    np.testing.assert_allclose(in_a_file.boxes(cases, thresholds), alone, atol=1e-12)
    assert in_a_file.boxes(cases, thresholds).tobytes() == at_once.boxes(cases, thresholds).tobytes()


def test_traces_in_a_file_are_not_in_memory(monkeypatch, some):
    monkeypatch.setattr(batch, "MAX_TRACE_BYTES", 1)
    many = 300 * some[1:2]
    tracemalloc.start()
    waiting = batch.Traces(many)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 0.1 * 8 * batch.NUMBERS_PER_PIECE * 300 * len(some[1].rows)
    assert len(waiting) == 300


def test_full_disk_is_a_write_error(monkeypatch, some):
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(batch.tempfile, "TemporaryFile", lambda: full)
        monkeypatch.setattr(batch, "MAX_TRACE_BYTES", 1)
        with pytest.raises(WriteError, match="TMPDIR"):
            batch.Traces(some)
