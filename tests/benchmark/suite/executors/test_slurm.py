"""Steps in array jobs, with submitit's local replacement of Slurm."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from benchmark.suite import executors
from benchmark.suite.executors import Step, run
from benchmark.suite.executors.array_job import StepQueue
from core.errors import BadValueError, NotAvailableError, WriteError

pytest.importorskip("submitit", reason="needs submitit: pip install -e '.[slurm]'")
pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes below /proc")


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Looks twenty times a second for what jobs have done."""
    monkeypatch.setattr("benchmark.suite.executors.slurm.POLL", 0.05)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid):
    """Whether a process and what it has started end: they were told to, and a busy machine takes its time."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if not children(pid):
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def mkdir(name, folder, *needs):
    return Step(name, "train", "os.mkdir", (str(folder / name),), needs)


@pytest.mark.parametrize(("word", "least"), [("time=0", 1), ("time=1.5", 1), ("gpus=-1", 0)])
def test_too_small_option_is_refused_with_its_minimum(word, least):
    with pytest.raises(BadValueError, match=rf"slurm:{word} .*{least} or more"):
        executors.build(f"slurm:cluster=local,{word}", 1)


def test_two_jobs_run_each_step_once_in_order(tmp_path):
    killed = Step("killed", "score", "signal.raise_signal", (signal.SIGKILL,))
    steps = [mkdir("a", tmp_path), mkdir("b", tmp_path, "a"), killed, mkdir("c", tmp_path), mkdir("d", tmp_path, "c", "killed")]
    with executors.build("slurm:cluster=local", 2) as slurm:
        slurm.begin(tmp_path / "runs", steps)
        events = list(run(steps, slurm))
        jobs = [int(job.job_id) for job in slurm._jobs]
    ended = {event.step.id: event.kind for event in events if event.kind != "started"}
    assert ended == {"a": "done", "b": "done", "c": "done", "killed": "failed", "d": "cancelled"}
    assert "killed was killed (SIGKILL)" in next(event.reason for event in events if event.kind == "failed")
    assert len(jobs) == 2
    assert all(gone(job) for job in jobs)


@pytest.mark.slow
def test_a_step_that_takes_too_long_fails_and_its_job_takes_the_next(tmp_path):
    steps = [Step("long", "train", "time.sleep", (600,)), mkdir("a", tmp_path)]
    with executors.build("slurm:cluster=local", 1, minutes=0.1) as slurm:
        slurm.begin(tmp_path / "runs", steps)
        ended = {event.step.id: event.kind for event in run(steps, slurm) if event.kind != "started"}
    assert ended == {"long": "failed", "a": "done"}


COUNTED = """
import pathlib, time
log = pathlib.Path({log!r})
with log.open("a") as file:
    file.write("begun ")
if log.read_text() == "begun ":
    time.sleep(600)
"""


def test_preempted_job_stops_its_step_and_is_queued_again(tmp_path):
    log = tmp_path / "log"
    steps = [Step("long", "train", "builtins.exec", (COUNTED.format(log=str(log)), {}))]
    with executors.build("slurm:cluster=local", 1) as slurm:
        slurm.begin(tmp_path / "runs", steps)
        slurm.start(steps[0])
        while not log.exists():
            time.sleep(0.05)
        ((_, job),) = slurm.queue.taken_steps()
        os.kill(children(int(job))[0], signal.SIGUSR2)
        assert slurm.wait() == (steps[0], None)
    assert log.read_text() == "begun begun "


def test_step_runs_in_one_job_once(tmp_path):
    queue = StepQueue(tmp_path)
    queue.open()
    for number in range(3):
        queue.put(number)
    taken = Counter(queue.take(job) for job in ("1_0", "1_1", "1_2", "1_3"))
    assert taken == {0: 1, 1: 1, 2: 1, None: 1}
    assert queue.take("1_1") == 1, "a job that was killed goes on with its step"
    queue.give_back("1_0")
    assert queue.take("1_3") == 0
    queue.end(1, "1_1", WriteError("no space"))
    number, error = queue.pop_ended()
    assert (number, type(error), str(error), queue.pop_ended()) == (1, WriteError, "no space", None)


def test_jobs_of_a_run_that_ended_stop(tmp_path):
    queue = StepQueue(tmp_path)
    queue.open()
    assert queue.is_run_alive()
    queue.close()
    assert not queue.is_run_alive()


def test_missing_slurm_is_an_error(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotAvailableError, match="sbatch"):
        executors.build("slurm:partition=gpu", 2)
