"""An edit of a user's method, of a network or of a module that they import: the same command runs again."""

import pytest
import yaml

from locus.benchmark import records

pytestmark = pytest.mark.commands

TRAIN = {"dataset": "phantom:train=8,val=8,test=24", "img_size": 64, "epochs": 1, "pretrained": False}
SUITE = {"title": "S", "about": "A.", "train": TRAIN, "models": [{"backbone": "custom"}], "methods": ["cam"], "protocols": ["single_box"]}
NET = """
import torch
from torch import nn
from helper import prepare


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.fc = nn.Sequential(nn.Conv2d(3, 16, 8, stride=8), nn.ReLU()), nn.Linear(16, 8)

    def forward(self, x):
        return self.fc(self.body(prepare(x)).mean((2, 3)))
"""
METHOD = """
from how import weigh
from locus import GradientMethod


class {name}(GradientMethod):
    name = "{word}"

    def weights(self, A, G):
        return weigh(G)
"""
METHODS = ["mine.py:Mine", "mycam"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edited")
    (folder / "methods").mkdir()
    files = {
        "small.yaml": yaml.safe_dump(SUITE),
        "net.py": NET,
        "helper.py": "def prepare(x):\n    return 1 - x\n",
        "mine.py": METHOD.format(name="Mine", word="mine"),
        "how.py": "def weigh(G):\n    return G.mean((-2, -1), keepdim=True)\n",
        "methods/mycam.py": METHOD.format(name="MyCAM", word="mycam").replace("weigh(G)", "G.abs()").replace("from how import weigh", ""),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def typed(run_command, folder):
    """typed(): run the command; the number of cells that it ran, and the score of each method. ``more``: other flags."""

    def run(*more):
        where = ["--suites", folder, "--results", "results", "--runs", "runs", "--cache_dir", "cache", "--threads", "1"]
        what = ["--suite", "small", "--model", "net.py:Net", "--entry", "Net", "--method", *METHODS, "gradcam", "--plugins", "methods"]
        done = run_command("benchmark.run", *what, *where, *more, cwd=folder)
        assert done.returncode == 0, done.stderr
        found = [r for r in records.load(folder / "results/small") if r.cell.protocol == "single_box"]
        count = int(done.stdout.partition("small: ")[2].partition(" cell")[0])
        return count, {r.cell.method: [s.value for s in r.select("mean_iou", "mean")] for r in found}

    return run


@pytest.fixture(scope="module")
def first(typed):
    count, scores = typed()
    assert count == len(scores) == 3 + 6  # with the baselines
    return scores


def edit(file, before, after):
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def differing(one, other):
    return {name for name in one if one[name] != other[name]}


def test_comments_and_docstrings_run_nothing(typed, folder, first):
    for name in ("net.py", "helper.py", "mine.py", "how.py", "methods/mycam.py"):
        (folder / name).write_text(f'"""A docstring."""  # and a comment\n{(folder / name).read_text()}')
    assert typed() == (0, first)


@pytest.mark.parametrize(
    ("name", "before", "after", "cells", "rows"),
    [
        pytest.param("mine.py", "return weigh(G)", "return -weigh(G)", 1, {"mine.py:Mine"}, marks=pytest.mark.slow),
        pytest.param("how.py", "G.mean((-2, -1), keepdim=True)", "G.abs()", 1, {"mine.py:Mine"}, marks=pytest.mark.slow),
        ("methods/mycam.py", "G.abs()", "G.square() * A", 1, {"mycam"}),
        ("helper.py", "return 1 - x", "return x", 9, {*METHODS, "gradcam"}),
    ],
)
def test_an_edit_runs_the_rows_again_that_depend_on_it(typed, folder, first, name, before, after, cells, rows):
    edit(folder / name, before, after)
    count, edited = typed()
    assert (count, differing(first, edited)) == (cells, rows)
    edit(folder / name, after, before)
    assert typed() == (cells, first)
