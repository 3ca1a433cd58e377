"""The sets with boxes by radiologists as a user names them: through main.py, a suite and heatmap.py, on small trees with their defects."""

import json

import pytest

from locus.benchmark.records import load
from tests.datasets.trees import chestx_det_tree, rsna_pneumonia_tree, siim_covid_tree, vindr_cxr_tree  # noqa: F401 - fixtures

pytestmark = pytest.mark.commands
SETS = {"siim_covid": 4, "rsna_pneumonia": 1, "vindr_cxr": 14, "chestx_det": 13}
"""Data set -> number of its findings."""


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name == "siim_covid")) for name in SETS])
def tree(request):
    """A data set's name and the folder of its small tree."""
    return request.param, request.getfixturevalue(f"{request.param}_tree")()


def test_main_trains_on_the_set(tree, train, tmp_path):
    name, root = tree
    model = "--backbone custom --img_size 32 --epochs 1 --pretrained False --logger csv --plots False"
    assert train(f"--dataset {name} --data_root_dir {root} {model}") == 0
    (metrics,) = (tmp_path / "train").glob("*/metrics.json")
    assert json.loads(metrics.read_text())["test"]["n"] > 0


@pytest.mark.slow
def test_a_suite_scores_the_set_and_heatmap_shows_it(tree, write_suite, succeed, tmp_path_factory):
    """Only where several readers marked each image there is a row ``readers``."""
    (name, root), place = tree, tmp_path_factory.mktemp("out")
    data = {"dataset": name, "data_root_dir": str(root), "num_classes": SETS[name], "multi_label": name != "siim_covid"}
    write_suite(place / "tiny.yaml", {**data, "img_size": 32}, protocols=["single_box", "pointing"])
    places = ["--results", place / "results", "--runs", place / "runs", "--cache_dir", place / "cache", "--threads", "1"]
    succeed("benchmark.run", "--suite", "tiny", "--suites", place, *places)
    assert ("readers" in {record.cell.method for record in load(place / "results/tiny")}) == (name == "vindr_cxr")
    assert ("| readers |" in (place / "results/tiny/leaderboard.md").read_text()) == (name == "vindr_cxr")
    succeed("heatmap.py", "--runs", place / "runs", "--method", "cam", "--threads", "1", "--output_dir", place / "maps")
    assert json.loads(next(place.glob("maps/*/boxes.json")).read_text())["cases"]
