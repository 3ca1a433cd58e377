"""Ctrl-C while a command imports its libraries ends it in one sentence."""

import signal
import subprocess
import sys

import pytest

from core import interrupts
from tests.warm import ROOT

pytestmark = pytest.mark.commands


@pytest.mark.parametrize("words", [["main.py"], ["heatmap.py"], ["-m", "benchmark.run"], ["-m", "benchmark.score"], ["-m", "tools.serve"]])
def test_an_interrupt_during_the_imports_is_one_sentence(tmp_path, words):
    """A library that is interrupted while it is imported: Python sends itself the signal from within ``import yaml``."""
    (tmp_path / "yaml.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(10**8): pass\n")
    done = subprocess.run(
        [sys.executable, *words, "--help"], cwd=ROOT, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (interrupts.INTERRUPTED, "error: interrupted\n")


def test_an_import_from_python_leaves_ctrl_c_as_it_is():
    code = "import signal, core, benchmark; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_command_raises_interrupts_again_when_it_begins():
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupts.exit_quietly()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        interrupts.raise_again()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        interrupts.exit_quietly()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
