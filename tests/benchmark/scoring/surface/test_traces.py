"""Traces in a file equal those in memory, bit for bit."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from benchmark.scoring.surface import min_max, surface, traces
from benchmark.scoring.surface.trace import EMPTY, trace
from core.errors import WriteError
from tests.oracles import tracing

random = np.random.default_rng(0)


@pytest.fixture(scope="module")
def given():
    return [EMPTY, *(trace(surface(min_max(random.random((9, 7))), (90, 70), "conventional")) for _ in range(12)), EMPTY]


@pytest.fixture
def in_a_file(monkeypatch, given):
    """Use blocks of two or three cases; only the first one stays in memory."""
    monkeypatch.setattr(traces, "BLOCK", 200)
    monkeypatch.setattr(traces, "KEPT", 600)
    return traces.Traces(iter(given))


@pytest.mark.oracle
def test_boxes_from_a_file_equal_those_of_each_trace(in_a_file, given):
    cases, thresholds = np.array([12, 0, 5, 5, 13, 1]), random.random((6, 4))
    alone = [tracing.boxes(given[case], levels) for case, levels in zip(cases, thresholds, strict=True)]
    at_once = traces.Traces(given)
    assert len(in_a_file.blocks) > 3
    assert len(in_a_file) == len(at_once) == len(given)
    np.testing.assert_allclose(in_a_file.boxes(cases, thresholds), alone, atol=1e-12)


@pytest.mark.oracle
def test_memory_and_file_give_the_same_bits(in_a_file, monkeypatch, given):
    monkeypatch.undo()
    cases, thresholds = np.arange(len(given)), random.random((len(given), 3))
    in_memory = traces.Traces(given)
    assert len(in_memory.blocks) == 1
    assert in_a_file.boxes(cases, thresholds).tobytes() == in_memory.boxes(cases, thresholds).tobytes()


def test_traces_in_a_file_are_not_in_memory(monkeypatch, given):
    monkeypatch.setattr(traces, "KEPT", 0)
    many = 300 * given[1:2]
    tracemalloc.start()
    waiting = traces.Traces(many)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 0.1 * 8 * traces.NUMBERS * 300 * len(given[1].start)
    assert len(waiting) == 300


def test_full_disk_is_a_write_error(monkeypatch, given):
    monkeypatch.setattr(traces, "KEPT", 0)
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(traces.tempfile, "TemporaryFile", lambda: full)
        with pytest.raises(WriteError, match="TMPDIR"):
            traces.Traces(given)
