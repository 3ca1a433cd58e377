"""Methods defined outside the package."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import backbones
import methods
from benchmark.explain import explain
from core.errors import BadValueError, NotAvailableError
from tests.warm import Running

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


def test_a_method_from_a_file_outside_the_repository_works(model, images, tmp_path):
    file = tmp_path / "mycam.py"
    file.write_text(MINE)
    maps = explain(model, images, ["cam", f"{file}:MyCAM"])
    assert maps["mycam"].shape == maps["cam"].shape
    assert not torch.equal(maps["mycam"], maps["cam"])


@pytest.mark.structure
def test_a_new_file_in_methods_is_a_method_without_other_edits(tmp_path):
    for part in ("core", "methods"):
        shutil.copytree(ROOT / part, tmp_path / part)
    (tmp_path / "methods" / "mycam.py").write_text(MINE)
    code = "import methods; assert 'mycam' in methods.names(); print(methods.build('mycam').name, methods.__file__)"
    (tmp_path / "ask.py").write_text(code)
    done = Running("ask.py", [], tmp_path, root=tmp_path).done()
    assert done.stdout == f"mycam {tmp_path}/methods/__init__.py\n", done.stderr


@pytest.mark.structure
def test_listing_the_methods_does_not_import_torch():
    code = "import sys; sys.modules['torch'] = None; import methods; print(*methods.names())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "gradcampp" in done.stdout.split()


def test_a_network_wrapped_with_callables_supports_gradient_methods_but_not_cam(images):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(6, 4, 3, 2, 1), torch.nn.ReLU())
    linear = torch.nn.Linear(4, 2)
    wrapped = backbones.wrap(network, features=network, head=lambda A: linear(A.mean((-2, -1))), num_classes=2)
    maps = explain(wrapped, images, ["gradcam", "gradcampp", "center"])
    assert {tuple(m.shape) for m in maps.values()} == {(4, 2, 24, 24)}
    with pytest.raises(NotAvailableError, match=r"callable.*nn\.Linear"):
        explain(wrapped, images, ["cam"])


@pytest.mark.parametrize("body", ["class X: pass", "import methods\nclass X(methods.Method): pass"])
def test_a_class_that_is_not_a_method_raises_a_clear_error(tmp_path, body):
    (tmp_path / "x.py").write_text(body)
    with pytest.raises(BadValueError, match=r"x\.py:X.*methods\.Method"):
        methods.build(f"{tmp_path}/x.py:X")
