"""Steps run once, in the order of their needs; a failure cancels only dependent steps."""

import os
from pathlib import Path

import pytest

from locus.benchmark.executors import Step, run
from locus.benchmark.executors._local import Local
from locus.benchmark.executors.base import run_with_progress
from locus.core.errors import WriteError
from locus.core.files import write_text
from locus.flags import cli


def mkdir(name, folder, *needs):
    return Step(id=name, kind="train", function=os.mkdir, arguments=(str(folder / name),), needs=needs)


def events(steps):
    return [(event.kind, event.step.id) for event in run(steps, Local(1))]


def test_ready_steps_start_in_their_order(tmp_path):
    steps = [mkdir("c", tmp_path, "a", "b"), mkdir("b", tmp_path), mkdir("a", tmp_path, "b"), mkdir("d", tmp_path)]
    assert [name for kind, name in events(steps) if kind == "started"] == ["b", "a", "c", "d"]


def test_steps_of_one_name_run_once(tmp_path):
    steps = [mkdir("first", tmp_path), mkdir("one", tmp_path, "first"), mkdir("first", tmp_path), mkdir("two", tmp_path, "first")]
    assert [name for kind, name in events(steps) if kind == "done"] == ["first", "one", "two"]


def test_a_failed_step_cancels_what_needs_it_and_nothing_else(tmp_path):
    absent = Step(id="a", kind="explain", function=cli.read_yaml, arguments=(Path("absent.yaml"),))
    steps = [absent, mkdir("b", tmp_path, "a"), mkdir("c", tmp_path, "b"), mkdir("d", tmp_path)]
    kinds = {event.step.id: event.kind for event in run(steps, Local(1))}
    assert kinds == {"a": "failed", "b": "cancelled", "c": "cancelled", "d": "done"}
    (reason,) = {event.reason for event in run(steps[:3], Local(1)) if event.kind != "started"}
    assert "absent.yaml" in reason


def test_steps_that_can_never_start_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="cycle"):
        events([mkdir("a", tmp_path), mkdir("b", tmp_path, "c"), mkdir("c", tmp_path, "b")])


def test_write_error_ends_the_run(tmp_path):
    (tmp_path / "file").touch()
    full = Step(id="a", kind="score", function=write_text, arguments=(tmp_path / "file/below", ""))
    with pytest.raises(WriteError, match="file/below"):
        list(run([full, mkdir("b", tmp_path)], Local(1)))
    assert not (tmp_path / "b").exists()


def test_progress_shows_what_is_running_and_how_many_steps_have_ended(tmp_path):
    lines = []
    list(run_with_progress([mkdir("a", tmp_path)], Local(1), lines.append))
    assert lines == ["  started: a (1 running, 0 waiting)", "  done: a (0 running, 0 waiting, 1 done)"]
