"""Steps in several processes of this machine."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from locus.benchmark import executors
from locus.benchmark.executors import Step, run
from locus.benchmark.executors._local import Local
from locus.benchmark.training import run as training
from locus.core import user_code

ROOT = Path(__file__).resolve().parents[4]
SLEEP = Step(id="sleep", kind="train", function=time.sleep, arguments=(600,))


def step(name, function, *arguments, **fields):
    return Step(id=name, kind="score", function=function, arguments=arguments, **fields)


def test_killed_process_fails_only_its_step(tmp_path):
    killed = step("killed", signal.raise_signal, signal.SIGKILL)
    others = [step(name, os.mkdir, str(tmp_path / name)) for name in ("one", "two")]
    with Local(2) as local:
        ended = {event.step.id: event for event in run([killed, *others], local) if event.kind != "started"}
    assert {name: event.kind for name, event in ended.items()} == {"killed": "failed", "one": "done", "two": "done"}
    assert "killed was killed (SIGKILL)" in ended["killed"].reason


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_step_over_the_time_limit_fails_alone(tmp_path, jobs):
    with executors.build("local", jobs, minutes=0.05) as local:
        ended = {event.step.id: event for event in run([SLEEP, step("a", os.mkdir, str(tmp_path / "a"))], local)}
    assert {name: event.kind for name, event in ended.items()} == {"sleep": "failed", "a": "done"}
    assert "sleep took more than 0.05 minutes" in ended["sleep"].reason
    assert multiprocessing.active_children() == []


def test_internal_error_fails_its_step_and_logs_a_traceback(tmp_path, caplog):
    caplog.set_level("INFO")
    with Local(2) as local:
        (_, failed) = run([step("twice", os.mkdir, str(tmp_path))], local)
    assert (failed.kind, "status 1" in failed.reason) == ("failed", True)
    assert "twice: FileExistsError" in caplog.text


def test_each_process_has_the_threads_of_its_step(tmp_path):
    code = f"import os, pathlib; pathlib.Path({str(tmp_path)!r}, 'seen').write_text(os.environ['OMP_NUM_THREADS'])"
    with Local(2) as local:
        assert [event.kind for event in run([step("s", exec, code, {}, threads=3)], local)] == ["started", "done"]
    assert (tmp_path / "seen").read_text() == "3"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_leaving_early_ends_the_processes(error):
    def leave():
        with Local(2) as local:
            local.start(Step(id="sleep", kind="train", function=time.sleep, arguments=(600,)))
            raise error

    with pytest.raises(error):
        leave()
    assert multiprocessing.active_children() == []


def test_sigterm_is_no_error_of_a_method_whose_code_may_exit():
    """``user_code.ANYTHING`` catches what a method raises, also SystemExit: here, its code is running."""
    with pytest.raises(SystemExit) as stop, Local(1), contextlib.suppress(*user_code.ANYTHING):
        signal.raise_signal(signal.SIGTERM)
    assert stop.value.code == 128 + signal.SIGTERM


def test_sigterm_while_leaving_ends_with_its_status():
    process = SimpleNamespace(stop=lambda: signal.raise_signal(signal.SIGTERM), kill=lambda: None)
    with pytest.raises(SystemExit) as stop, Local(2) as local:
        local._workers.append(process)
    assert stop.value.code == 128 + signal.SIGTERM


def test_sigterm_removes_a_training_run_without_a_checkpoint(tmp_path):
    folder = tmp_path / "runs/run"
    folder.mkdir(parents=True)
    with pytest.raises(SystemExit), Local(1), training._removed_on_failure(folder):
        signal.raise_signal(signal.SIGTERM)
    assert not folder.exists()


def test_processes_end_for_a_background_command():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Local(2) as local:
            local.start(Step(id="sleep", kind="train", function=time.sleep, arguments=(600,)))
            begun = time.monotonic()
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begun < 60
    assert multiprocessing.active_children() == []


def test_processes_end_with_their_parent():
    code = """
import multiprocessing, time
from locus.benchmark.executors import Step
from locus.benchmark.executors._local import Local
if __name__ == "__main__":
    local = Local(2)
    local.start(Step(id="sleep", kind="train", function=time.sleep, arguments=(600,)))
    print(multiprocessing.active_children()[0].pid, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
