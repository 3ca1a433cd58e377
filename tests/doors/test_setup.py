"""``make setup`` takes the Python that is there."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.doors


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
