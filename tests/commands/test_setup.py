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
pytestmark = pytest.mark.commands


def make(folder, **programs):
    """``make setup`` in a new checkout: its commands are shown, not run. ``programs`` are all the Pythons on the path."""
    (folder / "bin").mkdir()
    (folder / "bin" / "sh").symlink_to(shutil.which("sh"))
    for name, status in programs.items():
        (folder / "bin" / name.replace("_", ".")).write_text(f"#!{shutil.which('sh')}\nexit {status}\n")
        (folder / "bin" / name.replace("_", ".")).chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    words = [shutil.which("make"), "setup", *(["--dry-run"] if programs else [])]
    return subprocess.run(words, cwd=folder, env={"PATH": str(folder / "bin")}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("programs", "taken"),
    [({"python3_11": 0, "python3_13": 0}, "python3.11"), ({"python3_11": 127, "python3_12": 0}, "python3.12"), ({"python3": 0}, "python3")],
)
def test_the_first_python_that_runs_is_taken(tmp_path, programs, taken):
    assert f"|| {taken} -m venv .venv" in make(tmp_path, **programs).stdout


def test_no_python_is_a_sentence_that_says_what_to_install(tmp_path):
    done = make(tmp_path)
    assert done.returncode == 2
    assert "install one" in done.stdout


@pytest.mark.parametrize("status", [0, 1])
def test_pip_installs_where_uv_cannot(tmp_path, status):
    commands = {"python": "exit 0", "uv": f"exit {status}", "pip": f'echo "$@" >> {tmp_path}/asked'}
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, text in commands.items():
        (tmp_path / ".venv/bin" / name).write_text(f"#!{shutil.which('sh')}\n{text}\n")
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(["make", "setup"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line for line in asked if ".[test]" in line] == [
        "install --quiet --no-compile --constraint constraints.txt --editable .[test]"
    ] * status


PIP = """#!{shell}
echo "$@" >> {folder}/asked
case "$*" in *.[test]*) {at_work} ;; esac
"""


@pytest.fixture
def checkout(tmp_path):
    """checkout(at_work): a folder for the real recipe, whose Python makes a venv in which uv fails and pip does ``at_work``."""
    shell, python = shutil.which("sh"), tmp_path / "python"

    def make(at_work):
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, tmp_path)
        (tmp_path / "pip").write_text(PIP.format(shell=shell, folder=tmp_path, at_work=at_work))
        (tmp_path / "uv").write_text(f"#!{shell}\nexit 1\n")
        venv = f"mkdir -p .venv/bin; echo venv >> {tmp_path}/asked; ln -s ../../pip ../../uv ../../python .venv/bin"
        python.write_text(f'#!{shell}\ncase "$2" in venv) {venv} ;; tools.compile) ;; *) exec {sys.executable} "$@" ;; esac\n')
        for name in ("pip", "uv", "python"):
            (tmp_path / name).chmod(0o755)
        return tmp_path

    return make


def setup(folder):
    return subprocess.Popen(
        ["make", "setup", "PYTHON=./python"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def asked(folder, word):
    return sum(word in line for line in (folder / "asked").read_text().splitlines())


def until_pip_is_at_work(folder):
    end = time.monotonic() + 300
    while not (folder / ".venv/half").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert (folder / ".venv/half").exists()


def test_two_setups_at_once_install_once(checkout):
    folder = checkout("sleep 0.5")
    runs = [setup(folder) for _ in range(2)]
    assert [run.wait(300) for run in runs] == [0, 0]
    assert (asked(folder, "venv"), asked(folder, ".[test]")) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_an_interrupted_setup_the_next_begins_with_a_new_venv(checkout, number):
    # The process that writes the file is the one that waits: a shell between the two may pass the signal over.
    program = 'import signal, time; signal.signal(2, signal.SIG_DFL); open(".venv/half", "w").close(); time.sleep(400)'
    folder = checkout(f"exec {sys.executable} -c '{program}'")
    running = setup(folder)
    until_pip_is_at_work(folder)
    os.killpg(running.pid, number)  # as Ctrl-C in a terminal reaches all processes
    assert running.wait(300) != 0
    assert (folder / ".venv/half").exists()
    again = setup(checkout("exit 0"))
    assert again.wait(300) == 0, again.stderr.read()
    assert not (folder / ".venv/half").exists()
    assert asked(folder, "venv") == 2
    assert (folder / ".venv/.installed").exists()


def test_a_setup_that_fails_without_a_network_leaves_the_venv(checkout):
    folder = checkout("exit 1")
    assert setup(folder).wait(300) == 2
    assert setup(checkout("exit 0")).wait(300) == 0
    assert asked(folder, "venv") == 1
