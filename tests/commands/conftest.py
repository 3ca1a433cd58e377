"""Commands as a user types them: a process of their own, no GPU, everything written below a temporary folder."""

import os
from pathlib import Path

import pytest

from tests.warm import Running

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def environment():
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def run_command(environment):
    """run_command("main.py", flags…) runs it to its end; run_command("benchmark.run", …) as ``python -m``."""
    return lambda script, *flags, **options: Running(script, flags, env=environment, **options).done()


@pytest.fixture(scope="session")
def started(environment):
    """The same, without waiting for its end."""
    return lambda script, *flags: Running(script, flags, env=environment)


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
