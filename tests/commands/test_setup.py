"""``make setup`` takes the Python that is there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELL = shutil.which("sh")
pytestmark = pytest.mark.commands


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """checkout(programs): a new checkout with shell programs, by their paths."""
    monkeypatch.delenv("MAKEFLAGS", raising=False)  # variables of the `make test` that runs the tests
    monkeypatch.delenv("CONSTRAINTS", raising=False)

    def make(programs):
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, tmp_path)
        for path, text in programs.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(f"#!{SHELL}\n{text}\n")
            (tmp_path / path).chmod(0o755)
        return tmp_path

    return make


def make(folder, *words, **options):
    return subprocess.run([shutil.which("make"), "setup", *words], cwd=folder, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("statuses", "taken"),
    [({"python3.11": 0, "python3.13": 0}, "python3.11"), ({"python3.11": 127, "python3.12": 0}, "python3.12"), ({"python3": 0}, "python3")],
)
def test_the_first_python_that_runs_is_taken(checkout, statuses, taken):
    folder = checkout({f"bin/{name}": f"exit {status}" for name, status in statuses.items()})
    (folder / "bin/sh").symlink_to(SHELL)
    assert f"|| {taken} -m venv .venv" in make(folder, "--dry-run", env={"PATH": f"{folder}/bin"}).stdout


def test_no_python_is_a_sentence_that_says_what_to_install(checkout):
    folder = checkout({})
    (folder / "bin").mkdir()
    (folder / "bin/sh").symlink_to(SHELL)
    done = make(folder, env={"PATH": f"{folder}/bin"})
    assert (done.returncode, "install one" in done.stdout) == (2, True)


@pytest.mark.parametrize("status", [0, 1])
def test_pip_installs_where_uv_cannot(checkout, status):
    venv = {".venv/bin/python": "exit 0", ".venv/bin/uv": f"exit {status}", ".venv/bin/pip": 'echo "$@" >> asked'}
    folder = checkout(venv)
    done = make(folder)
    assert done.returncode == 0, done.stderr
    installed = [line for line in (folder / "asked").read_text().splitlines() if ".[test]" in line]
    assert installed == ["install --quiet --no-compile --constraint constraints.txt --editable .[test]"] * status


@pytest.fixture
def setup(checkout, tmp_path):
    """setup(at_work): start the real recipe, with a Python that makes a venv in which uv fails and pip does ``at_work``."""
    venv = "mkdir -p .venv/bin; echo venv >> asked; ln -s ../../pip ../../uv ../../python .venv/bin"
    python = f'case "$2" in venv) {venv} ;; tools.compile) ;; *) exec {sys.executable} "$@" ;; esac'

    def start(at_work=None):  # None: that of the setup that is running
        if at_work:
            pip = f'echo "$@" >> asked\ncase "$*" in *.[test]*) {at_work} ;; esac'
            checkout({"pip": pip, "uv": "exit 1", "python": python})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(["make", "setup", "PYTHON=./python"], cwd=tmp_path, start_new_session=True, **pipes)

    return start


def asked(folder, word):
    return sum(word in line for line in (folder / "asked").read_text().splitlines())


def test_two_setups_at_once_install_once(setup, tmp_path):
    assert [run.wait(300) for run in [setup("sleep 0.5"), setup()]] == [0, 0]
    assert (asked(tmp_path, "venv"), asked(tmp_path, ".[test]")) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_an_interrupted_setup_the_next_begins_with_a_new_venv(setup, tmp_path, number):
    # The process that writes the file is the one that waits: a shell between the two may pass the signal over.
    program = 'import signal, time; signal.signal(2, signal.SIG_DFL); open(".venv/half", "w").close(); time.sleep(400)'
    running = setup(f"exec {sys.executable} -c '{program}'")
    end = time.monotonic() + 300
    while not (tmp_path / ".venv/half").exists() and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(running.pid, number)  # as Ctrl-C in a terminal reaches all processes
    assert running.wait(300) != 0
    assert (tmp_path / ".venv/half").exists()
    again = setup("exit 0")
    assert again.wait(300) == 0, again.stderr.read()
    assert not (tmp_path / ".venv/half").exists()
    assert asked(tmp_path, "venv") == 2
    assert (tmp_path / ".venv/.installed").exists()


def test_a_setup_that_fails_without_a_network_leaves_the_venv(setup, tmp_path):
    assert setup("exit 1").wait(300) == 2
    assert setup("exit 0").wait(300) == 0
    assert asked(tmp_path, "venv") == 1
