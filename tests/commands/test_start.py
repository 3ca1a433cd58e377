"""What a user did wrong is said before anything slow is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

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
    "missing run": ["heatmap.py", "--runs", "no/such/folder"],
}


@pytest.mark.commands
@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_slow_is_imported(words):
    code = f"import runpy, sys\nsys.argv = {words!r}\ntry: runpy.run_path(sys.argv[0], run_name='__main__')\n"
    code += f"except SystemExit as end: print(end.code, *(name for name in {SLOW!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].split() == ["2"], done.stderr


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


@pytest.mark.commands
def test_the_first_step_of_a_training_imports_nothing_that_it_does_not_need(tmp_path):
    places = ["--model_save_dir", f"{tmp_path}/train", "--log_dir", f"{tmp_path}/logs", "--cache_dir", f"{tmp_path}/cache"]
    words = ["--dataset", "phantom:train=8,val=8,test=8", "--img_size", "64", "--batch_size", "4", "--threads", "1", "--num_GPU", "0"]
    done = subprocess.run([sys.executable, "-c", FIRST_STEP, *words, *places], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["imported:"], done.stderr
