"""What a user did wrong is said before anything slow is imported, and Ctrl-C during the imports ends a command in one sentence."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from locus.__main__ import ENTRY_POINTS
from locus.core import startup

pytestmark = pytest.mark.commands
ROOT = Path(__file__).resolve().parents[2]

SLOW = ("torch", "torchvision", "lightning", "pandas", "scipy.sparse", "timm")
MISTAKES = {
    "unknown flag": ["main.py", "--epoch", "3"],
    "wrong value": ["main.py", "--epochs", "many"],
    "unknown backbone": ["main.py", "--backbone", "resnet1888", "--pretrained", "False"],
    "missing data": ["main.py", "--dataset", "NIH", "--data_root_dir", "no/such/folder"],
    "missing files of CheXpert": ["main.py", "--dataset", "CheXpert", "--data_root_dir", "no/such/folder"],
    "missing files of VinDr-CXR": ["main.py", "--dataset", "vindr_cxr", "--data_root_dir", "no/such/folder"],
    "wrong option of a data set": ["main.py", "--dataset", "NIH:truth=chestx"],
    "missing checkpoint": ["heatmap.py", "--checkpoint", "no/such/run"],
    "unknown method": ["heatmap.py", "--method", "gradcamp"],
}


def python(*words, **options):
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_slow_is_imported(words):
    code = f"import runpy, sys\nsys.argv = {words!r}\ntry: runpy.run_path(sys.argv[0], run_name='__main__')\n"
    code += f"except SystemExit as end: print(end.code, *(name for name in {SLOW!r} if name in sys.modules))"
    done = python("-c", code)
    assert done.stdout.splitlines()[-1].split() == ["2"], done.stderr


COMMANDS = ("main.py", "heatmap.py", *(f"-m benchmark.{word}" for word in ENTRY_POINTS if word not in ("train", "heatmap")), "-m locus run")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_an_interpreter_without_the_packages_says_what_to_activate(command):
    done = python("-S", *command.split())
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "source .venv/bin/activate" in done.stderr


NEEDLESS = ("timm", "numba", "pandas")
FIRST_STEP = f"""
import os, runpy, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
def stop(*_):
    print("imported:", *(name for name in {NEEDLESS!r} if name in sys.modules), flush=True)
    os._exit(0)
register_optimizer_step_post_hook(stop)
runpy.run_path("main.py", run_name="__main__")
"""


@pytest.mark.slow
def test_the_first_step_of_a_training_imports_nothing_that_it_does_not_need(tmp_path):
    places = ["--model_save_dir", f"{tmp_path}/train", "--log_dir", f"{tmp_path}/logs", "--cache_dir", f"{tmp_path}/cache"]
    words = ["--dataset", "phantom:train=8,val=8,test=8", "--img_size", "64", "--batch_size", "4", "--threads", "1", "--accelerator", "cpu"]
    done = python("-c", FIRST_STEP, *words, *places)
    assert done.stdout.splitlines()[-1:] == ["imported:"], done.stderr


@pytest.mark.parametrize("words", [["main.py"], ["heatmap.py"], ["-m", "benchmark.run"], ["-m", "benchmark.score"], ["-m", "tools.serve"]])
def test_an_interrupt_during_the_imports_is_one_sentence(tmp_path, words):
    """A library that is interrupted while it is imported: Python sends itself the signal from within ``import yaml``."""
    (tmp_path / "yaml.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(10**8): pass\n")
    done = python(*words, "--help", env={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (startup.INTERRUPTED, "error: interrupted\n")


def test_an_import_from_python_leaves_ctrl_c_as_it_is():
    code = "import signal, locus.core, locus.benchmark; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    assert python("-c", code).returncode == 0


def test_a_command_raises_interrupts_again_when_it_begins():
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        startup.exit_quietly()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        startup.raise_again()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        startup.exit_quietly()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
