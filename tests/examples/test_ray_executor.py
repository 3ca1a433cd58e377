"""examples/ray_executor.py: steps run in processes of Ray, and their errors come back."""

import os
from pathlib import Path

import pytest

from locus.benchmark import executors
from locus.benchmark.executors import Step, run
from locus.core.errors import BadValueError
from locus.flags import cli

ROOT = Path(__file__).resolve().parents[2]
RAY = f"{ROOT}/examples/ray_executor.py:Ray"


@pytest.fixture(autouse=True)
def _with_ray():
    pytest.importorskip("ray", reason="needs Ray: pip install ray")


@pytest.mark.parametrize("option", ["gpus=-1", "memory='much'", "retries=-1"])
def test_an_invalid_option_is_refused_before_anything_starts(option):
    with pytest.raises(BadValueError, match=option.partition("=")[0]):
        executors.build(f"{RAY}:{option}", jobs=1)


def test_steps_run_in_the_folder_of_the_run_and_a_failed_one_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = [
        Step(id="a", kind="train", function=os.mkdir, arguments=("made",)),
        Step(id="b", kind="explain", function=cli.read_yaml, arguments=(Path("absent.yaml"),), needs=("a",)),
    ]
    with executors.build(RAY, jobs=2) as executor:
        executor.begin()
        ended = {event.step.id: event for event in run(steps, executor) if event.kind != "started"}
    assert {name: event.kind for name, event in ended.items()} == {"a": "done", "b": "failed"}
    assert "absent.yaml" in ended["b"].reason
    assert (tmp_path / "made").is_dir()
