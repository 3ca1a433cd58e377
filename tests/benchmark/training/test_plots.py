"""Plots of a run: any number of findings, reproducible."""

import matplotlib.pyplot
import numpy as np
import pytest
import torch
from PIL import Image

from locus.benchmark.training import plots
from locus.benchmark.training.metrics import Predictions, assess

PICTURES = {"roc.png", "precision_recall.png", "confusion.png"}


def answered(seed, k, exclusive=False):
    """The last finding is nowhere; some labels are unknown."""
    rng = np.random.default_rng(seed)
    labels = np.eye(k)[rng.integers(0, k, 60)] if exclusive else (rng.random((60, k)) < 0.4).astype("f8")
    if k > 1 and not exclusive:
        labels[:, -1], labels[:9, 0] = 0, np.nan
    return Predictions(
        tuple(f"Finding_{i}" for i in range(k)),
        torch.tensor(rng.normal(size=(60, k))),
        torch.tensor(labels),
        [*map(str, range(60))],
        exclusive,
    )


@pytest.mark.contract
@pytest.mark.parametrize(("k", "exclusive"), [(1, False), (2, True), *(pytest.param(k, False, marks=pytest.mark.slow) for k in (5, 14))])
def test_pictures_are_made_for_any_number_of_findings(tmp_path, k, exclusive):
    test = answered(1, k, exclusive)
    open_before = matplotlib.pyplot.get_fignums()
    plots.draw(tmp_path, test, assess(answered(0, k, exclusive), test))
    assert {path.name for path in tmp_path.iterdir()} == PICTURES
    for path in tmp_path.iterdir():
        image = Image.open(path)
        assert min(image.size) >= 300
        assert set(image.info) <= {"dpi"}  # no date, no version
    assert matplotlib.pyplot.get_fignums() == open_before


@pytest.mark.byhand
def test_pictures_have_the_same_bytes_each_time(tmp_path):
    result = assess(answered(0, 2), answered(1, 2))
    for folder in ("a", "b"):
        plots.draw(tmp_path / folder, answered(1, 2), result)
    for name in PICTURES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.byhand
def test_confusion_of_exclusive_classes_has_the_counts_of_the_metrics():
    test = answered(1, 3, exclusive=True)
    metrics = assess(answered(0, 3, True), test)
    (axes,) = plots.confusion(test, metrics).axes
    assert [int(text.get_text()) for text in axes.texts] == [n for row in metrics["test"]["confusion_matrix"] for n in row]


@pytest.mark.byhand
def test_a_finding_without_a_threshold_has_a_panel_with_the_reason():
    metrics = assess(answered(0, 2), answered(1, 2))
    first, second = plots.confusion(answered(1, 2), metrics).axes
    assert first.get_title() == "Finding 0"
    assert second.texts[0].get_text() == metrics["thresholds"]["Finding_1"]["reason"]
