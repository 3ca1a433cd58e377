"""``--evaluate``: repeated evaluation, and scores by study."""

import csv
import dataclasses
import json
import logging
import shutil

import numpy as np
import pytest
import torch

from locus.benchmark import opening, training
from locus.benchmark.training import data, evaluate
from locus.config import TrainConfig
from locus.core.errors import BadValueError
from locus.datasets import load_split

pytestmark = pytest.mark.byhand


@pytest.fixture(scope="module")
def finished(tiny_in, tmp_path_factory):
    """One finished run, in a folder that tests only read."""
    folder = tmp_path_factory.mktemp("evaluated")
    config = tiny_in(folder, dataset="phantom:train=48,val=40,test=40", epochs=1, plots=True)
    return training.fit(config, folder / "run")


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def asked(run, **typed):
    return evaluate.reevaluate(dataclasses.replace(TrainConfig(), evaluate=str(run), **typed), {"evaluate", *typed})


def test_second_evaluation_writes_the_same_bytes_and_shows_its_progress(copy, terminal, caplog):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    for name in ("predictions.csv", "roc.png"):
        (copy / name).unlink()
    with caplog.at_level(logging.INFO):
        assert asked(copy / "best.ckpt") == copy
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    visible = terminal()
    assert "predict:   0%" in visible
    assert "intervals:   0%" in visible
    assert caplog.messages.count("predicting 40 images") == 2


def test_threshold_choice_only_changes_threshold_metrics(copy):
    before = json.loads((copy / "metrics.json").read_text())
    after = json.loads((asked(copy, threshold_choice="fixed", plots=False) / "metrics.json").read_text())
    assert {row["threshold_source"] for row in after["thresholds"].values()} == {"fixed"}
    assert after["test"]["mean_auroc"] == before["test"]["mean_auroc"]
    assert after["test"]["mean_sensitivity"] != before["test"]["mean_sensitivity"]


def test_flags_of_a_training_cannot_be_combined_with_evaluate(finished):
    with pytest.raises(BadValueError, match=rf"--evaluate {finished}.*--backbone, --lr$"):
        asked(finished, lr=0.1, backbone="resnet18")


def test_studies_are_scored_too(finished, tmp_path):
    """Two images a study: the metrics by study are those of the largest logit and label of the two."""
    config = dataclasses.replace(opening.checkpoint(finished / "best.ckpt").config, plots=False)
    sides = {split: data.decode(config, load_split(config, split)) for split in ("val", "test")}
    logits = {split: torch.from_numpy(np.random.default_rng(0).normal(size=tuple(side.labels.shape))) for split, side in sides.items()}
    studies = [f"s{i // 2:02}" for i in range(40)]
    paired = {split: dataclasses.replace(side, columns=dataclasses.replace(side.columns, studies=studies)) for split, side in sides.items()}
    evaluate.write(tmp_path, paired, logits, config, {})
    result = json.loads((tmp_path / "metrics.json").read_text())
    assert (result["test"]["n"], result["study"]["test"]["n"]) == (40, 20)
    halves = {split: side.labels.reshape(20, 2, -1).amax(1) for split, side in sides.items()}
    largest = {split: values.reshape(20, 2, -1).amax(1) for split, values in logits.items()}
    whole = {split: dataclasses.replace(side, rows=side.rows[1::2], labels=halves[split]) for split, side in sides.items()}
    evaluate.write(tmp_path / "by-hand", whole, largest, config, {})
    output = json.loads((tmp_path / "by-hand" / "metrics.json").read_text())
    assert result["study"] == {name: value for name, value in output.items() if name not in ("flags", "data", "predictions")}
    assert "study" not in output
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert [row["study"] for row in rows[:3]] == ["s00", "s00", "s01"]
