"""Estimated cost of a suite in a dry run."""

import json

import pytest

from benchmark.suite import estimate, plan
from benchmark.suite.cells import cells
from benchmark.suite.selection import ModelTask
from tools.scale import estimate as scale
from tools.scale.__main__ import MEASURED


def tasks(name):
    suite = plan.load(name)
    return [ModelTask(model, tuple(cells(suite, model))) for model in plan.models(suite)]


@pytest.mark.parametrize("network", estimate.RATES["networks"])
def test_the_rates_are_those_of_the_committed_measurements(network):
    rates = estimate.RATES["networks"][network]
    assert rates["training_s"] == pytest.approx(scale.rate(network), rel=1e-2)
    assert rates["explaining_s"] == pytest.approx(scale.fast(network), rel=1e-2)
    gradients = json.loads(MEASURED.read_text())["integrated_gradients"]
    assert rates["integrated_gradients_s"] == gradients["seconds"][network]
    assert rates["weights"] == scale.NETWORKS[network]
    assert estimate.RATES["machine"] == scale.machine() == gradients["machine"]
    assert estimate.RATES["data_sets"]["NIH"]["images"] == scale.IMAGES["NIH"]


@pytest.mark.byhand
def test_nih_requires_six_runs_of_ten_epochs(tmp_path):
    """6 x 10 x 86,524 images, half at .0195 s and half at .0524 s; a cache of 112,120 x 224 x 224 bytes."""
    text = "\n".join(estimate.lines(tasks("nih"), tmp_path))
    assert "6 training runs with 5,191,440 image passes (images × epochs): 52 hours" in text
    assert f"{5_191_440 / 500 / 3600:.1f} GPU hours" in text
    assert "cache 5.6 GB" in text
    maps = 880 * 8 * 3  # of each backbone, with three pooling types
    hours = maps * sum(rates["integrated_gradients_s"] for rates in estimate.RATES["networks"].values()) / 3600
    assert f"of integrated_gradients: {hours:.1f} hours" in text
    assert "not estimated" not in text


def test_finished_runs_are_not_counted(tmp_path):
    planned = tasks("nih")
    folders = [folder for task in planned[:2] for folder in task.model.run_configs(tmp_path)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "best.ckpt").touch()
    assert "4 training runs with 3,460,960 image passes" in "\n".join(estimate.lines(planned, tmp_path))


def test_unmeasured_network_has_no_estimate(tmp_path):
    assert list(estimate.lines(tasks("demo"), tmp_path)) == []
