"""What a user did wrong is said before anything slow is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SLOW = ("torch", "torchvision", "lightning", "pandas", "timm")
MISTAKES = {
    "unknown flag": ["main.py", "--epoch", "3"],
    "wrong value": ["main.py", "--epochs", "many"],
    "unknown backbone": ["main.py", "--backbone", "resnet1888", "--pretrained", "False"],
    "missing data": ["main.py", "--dataset", "NIH", "--data_root_dir", "no/such/folder"],
    "missing checkpoint": ["heatmap.py", "--checkpoint", "no/such/run"],
    "unknown method": ["heatmap.py", "--method", "gradcamp"],
}


@pytest.mark.commands
@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_slow_is_imported(words):
    code = f"import runpy, sys\nsys.argv = {words!r}\ntry: runpy.run_path(sys.argv[0], run_name='__main__')\n"
    code += f"except SystemExit as end: print(end.code, *(name for name in {SLOW!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].split() == ["2"], done.stderr
