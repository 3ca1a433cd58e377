"""What explains networks and scores arrays works without data sets, suites and flags."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.structure

LIBRARY_ALONE = """
import sys
from importlib.abc import MetaPathFinder


class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("locus.benchmark", "locus.datasets", "locus.config", "locus.flags")):
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Missing())

import numpy
import torch
import torchvision

import locus

torch.manual_seed(0)
network = torchvision.models.resnet18(num_classes=2).eval()
model = locus.wrap(network, findings=["a", "b"], img_size=64)
maps = locus.explain(model, torch.randn(1, 3, 64, 64), methods=["gradcam", "fullgrad"])
assert maps["fullgrad"].shape[:2] == (1, 2)

result = locus.score(
    {("1.png", "a"): [[0, 0], [0, 1]], ("2.png", "a"): [[0, 1], [0, 0]]},
    {("1.png", "a"): [[50, 50, 90, 90]], ("2.png", "a"): [[0, 50, 40, 90]]},
    frames=(100, 100),
    grids="conventional",
    protocol="pointing",
)
assert result.scores[0].value == 0.5
"""


def test_a_network_is_explained_and_arrays_are_scored_without_data_sets_and_suites(tmp_path):
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", LIBRARY_ALONE], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
