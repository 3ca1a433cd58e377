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
    plots.draw(tmp_path, test, assess(answered(0, k, exclusive), test))
    assert {path.name for path in tmp_path.iterdir()} == PICTURES
    for path in tmp_path.iterdir():
        image = Image.open(path)
        assert min(image.size) >= 300
        assert set(image.info) <= {"dpi"}  # no date, no version
    assert matplotlib.pyplot.get_fignums() == []


@pytest.mark.byhand
def test_pictures_have_the_same_bytes_each_time(tmp_path):
    result = assess(answered(0, 2), answered(1, 2))
    for folder in ("a", "b"):
        plots.draw(tmp_path / folder, answered(1, 2), result)
    for name in PICTURES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.byhand
def test_panels_name_their_findings_and_do_not_overlap():
    figure, panels = plots.panel_grid([f"Finding_{i}" for i in range(14)], "ROC", "x", "y")
    assert [axes.get_title() for axes in panels] == [f"Finding {i}" for i in range(14)]
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("x", "y")
    boxes = [axes.get_position() for axes in panels]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.byhand
def test_cells_of_a_confusion_matrix_have_counts_and_shares_of_their_row():
    test = answered(1, 3, exclusive=True)
    (axes,) = plots.confusion(test, metrics := assess(answered(0, 3, True), test)).axes
    counts = np.array(metrics["test"]["confusion_matrix"])
    assert [text.get_text() for text in axes.texts] == [f"{n}\n{n / row.sum():.0%}" for row in counts for n in row]


@pytest.mark.byhand
def test_curves_have_the_auroc_and_findings_without_positives_the_reason():
    test = answered(1, 2)
    metrics = assess(answered(0, 2), test)
    first, second = plots.roc(test, metrics).axes
    assert first.get_legend().texts[0].get_text() == f"AUROC {plots.with_interval(metrics['test']['findings']['Finding_0'], 'auroc')}"
    assert "positive" in second.texts[0].get_text()
