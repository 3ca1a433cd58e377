"""Commands as a user types them: a fresh process, no GPU, everything written below a temporary folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _words(script, flags):
    start = ["-m", script] if "." in script and not script.endswith(".py") else [str(ROOT / script)]
    return [sys.executable, *start, *map(str, flags)]


@pytest.fixture(scope="session")
def environment():
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def door(environment):
    """door("main.py", flags…) runs it to its end; door("benchmark.run", …) as ``python -m``."""

    def run(script, *flags, **options):
        return subprocess.run(_words(script, flags), capture_output=True, text=True, check=False, env=environment, **options)

    return run


@pytest.fixture(scope="session")
def started(environment):
    """The same, without waiting for its end."""

    def start(script, *flags):
        return subprocess.Popen(_words(script, flags), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)

    return start


@pytest.fixture(scope="session")
def sentence():
    """The one line of an error, after checking that it is one line, no traceback, and the status is 2."""

    def one(done):
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, done.stderr
        return lines[0]

    return one
