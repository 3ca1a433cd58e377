"""A method of one's own: one new class, nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmark.explain import explain

ROOT = Path(__file__).resolve().parents[2]

MINE = '''
import methods


class MyCAM(methods.GradientMethod):
    """Mean gradients squared."""

    name = "mycam"
    source = "here"

    def weights(self, A, G):
        return G.mean((-2, -1), keepdim=True).square()
'''


def test_a_method_from_a_file_outside_the_tree_is_explained_like_any_other(model, images, tmp_path):
    file = tmp_path / "mycam.py"
    file.write_text(MINE)
    maps = explain(model, images, ["cam", f"{file}:MyCAM"])
    assert maps["mycam"].shape == maps["cam"].shape
    assert not torch.equal(maps["mycam"], maps["cam"])


@pytest.mark.house
def test_a_file_dropped_into_methods_is_a_method_with_no_other_edit(tmp_path):
    for part in ("core", "methods"):
        shutil.copytree(ROOT / part, tmp_path / part)
    (tmp_path / "methods" / "mycam.py").write_text(MINE)
    code = "import methods; assert 'mycam' in methods.names(); print(methods.build('mycam').name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "mycam\n"


@pytest.mark.house
def test_listing_the_methods_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import methods; print(*methods.names())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "gradcampp" in done.stdout.split()
