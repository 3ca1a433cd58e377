"""The sets with boxes by radiologists as a user names them: through main.py, a suite and heatmap.py, on small trees with their defects."""

import json

import pytest

import main as trains
from benchmark.records import load
from tests.datasets.trees_radiologists import (  # noqa: F401 - fixtures
    chestx_det_tree,
    rsna_pneumonia_tree,
    siim_covid_tree,
    vindr_cxr_tree,
    write_dicom,
)

pytestmark = pytest.mark.commands
SETS = {
    "siim_covid": "num_classes: 4, multi_label: false",
    "rsna_pneumonia": "num_classes: 1",
    "vindr_cxr": "num_classes: 14",
    "chestx_det": "num_classes: 13",
}
SUITE = """
title: Tiny
about: Too small to mean anything.
train: {{dataset: {name}, data_root_dir: {root}, img_size: 32, epochs: 1,
    threads: 1, logger: [csv], plots: false, pretrained: false, {more}}}
models:
  - {{backbone: custom}}
methods: [cam]
protocols: [locus, pointing]
"""


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name == "siim_covid")) for name in SETS])
def tree(request):
    """A data set's name and the folder of its small tree."""
    return request.param, request.getfixturevalue(f"{request.param}_tree")()


@pytest.fixture
def flags(tmp_path_factory):
    """Flags under which everything is written to a folder of the test's own, and that folder."""
    place = tmp_path_factory.mktemp("out")
    return place, ["--cache_dir", str(place / "cache"), "--threads", "1"]


def test_main_trains_on_the_set(tree, flags):
    (name, root), (place, common) = tree, flags
    model = ["--backbone", "custom", "--img_size", "32", "--epochs", "1", "--pretrained", "False", "--logger", "csv", "--plots", "False"]
    places = ["--model_save_dir", str(place / "train"), "--log_dir", str(place / "logs"), *common]
    assert trains.main(["--dataset", name, "--data_root_dir", str(root), *model, *places]) == 0
    (metrics,) = (place / "train").glob("*/metrics.json")
    assert json.loads(metrics.read_text())["test"]["n"] > 0


@pytest.mark.slow
def test_a_suite_scores_the_set_and_heatmap_shows_it(tree, flags, run_command):
    """Only where several readers marked each image there is a row ``readers``."""
    (name, root), (place, common) = tree, flags
    (place / "tiny.yaml").write_text(SUITE.format(name=name, root=root, more=SETS[name]))
    places = ["--results", place / "results", "--runs", place / "runs", *common]
    done = run_command("benchmark.run", "--suite", "tiny", "--suites", place, *places)
    assert done.returncode == 0, done.stderr
    assert ("readers" in {record.cell.method for record in load(place / "results/tiny")}) == (name == "vindr_cxr")
    assert ("| readers |" in (place / "results/tiny/leaderboard.md").read_text()) == (name == "vindr_cxr")
    done = run_command("heatmap.py", "--runs", place / "runs", "--method", "cam", "--threads", "1", "--output_dir", place / "maps")
    assert done.returncode == 0, done.stderr
    assert json.loads((place / "maps/boxes.json").read_text())["cases"]
