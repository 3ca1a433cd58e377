"""Two processes train like one."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
FLAGS = [
    "--dataset", "phantom:train=41,val=23,test=16", "--backbone", "squeezenet1_1", "--global_pool", "AVG", "--img_size", "64",
    "--epochs", "2", "--lr", "1e-3", "--optimizer", "SGD", "--precision", "64", "--threads", "1", "--logger", "csv", "--plots", "False",
]  # fmt: skip
"""A network without batch norm, whose statistics are each process's own on a CPU; batches that cannot be cut in halves."""


def trained(folder, cache, *flags):
    places = ["--model_save_dir", str(folder / "runs"), "--log_dir", str(folder / "logs"), "--cache_dir", str(cache)]
    done = subprocess.run(
        [sys.executable, "main.py", *FLAGS, *places, *flags], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return next((folder / "runs").iterdir()), done.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One process with batches of 8, two with 4 each."""
    folder = tmp_path_factory.mktemp("runs")
    one, _ = trained(folder / "one", folder / "cache", "--batch_size", "8")
    two, output = trained(folder / "two", folder / "cache", "--batch_size", "4", "--devices", "2", "--strategy", "ddp")
    return one, two, output


@pytest.mark.oracle
@pytest.mark.slow
def test_two_processes_equal_one_with_the_joint_batches_and_count_every_image_once(runs):
    rows = [list(csv.DictReader((run / "metrics.csv").open())) for run in runs[:2]]
    for one, two in zip(*rows, strict=True):
        for name in one:
            assert float(one[name]) == pytest.approx(float(two[name]), abs=1e-5, nan_ok=True), name
    one, two = (json.loads((run / "metrics.json").read_text()) for run in runs[:2])
    for split, n in (("val", 23), ("test", 16)):
        assert one[split]["n"] == two[split]["n"] == n
        assert one[split]["mean_auroc"] == pytest.approx(two[split]["mean_auroc"], abs=1e-4)
    answers = [
        np.array([[float(x) for x in row[4:12]] for row in list(csv.reader((run / "predictions.csv").open()))[1:]]) for run in runs[:2]
    ]
    assert np.allclose(*answers, atol=1e-4)


@pytest.mark.byhand
@pytest.mark.slow
def test_only_the_first_process_logs(runs):
    assert runs[2].count("train: 41 images") == 1
    assert runs[2].count("epoch 2 of 2") == 1
    assert "processes: 2" in runs[2]
    assert "Traceback" not in runs[2]
