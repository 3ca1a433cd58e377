"""Plots of a finished run: learning curves, and ranking, decisions and calibration on the test images."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from benchmark.training import panels
from benchmark.training.metrics.calibration import BINS
from benchmark.training.metrics.decisions import decide
from benchmark.training.metrics.predictions import Predictions
from core.types import FloatArray

CURVES = {
    "loss": {"train_loss": "training", "val_loss": "validation"},
    "on validation, mean over findings": {"val_auroc": "AUROC", "val_ap": "average precision"},
}
COLOURS = "Blues"
JOINED = 5
"""Minimum number of images of a bin on the line."""


def draw(folder: Path, test: Predictions, metrics: dict[str, Any]) -> None:
    """Write ``roc.png``, ``precision_recall.png``, ``calibration.png`` and ``confusion.png`` of ``metrics``."""
    for picture in (roc, precision_recall, calibration, confusion):
        panels.save(picture(test, metrics), folder / f"{picture.__name__}.png")


def draw_curves(history: list[dict[str, float]], best: int, path: Path) -> None:
    """Write a PNG of the losses and of the validation AUROC and average precision; ``best``: epoch of best.ckpt."""
    figure, sides = panels.side_by_side(2, (8, 3.2))
    epochs = [row["epoch"] for row in history]
    for axes, (title, curves) in zip(sides, CURVES.items(), strict=True):
        for (name, word), colour, marker in zip(curves.items(), (panels.BLUE, panels.ORANGE), "os", strict=True):
            axes.plot(epochs, [row[name] for row in history], color=colour, marker=marker, markersize=3, label=word)
        axes.axvline(best, color=panels.PALE, linestyle=":", label=f"best.ckpt (epoch {best})")
        axes.set_xlabel("epoch")
        axes.set_title(title, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8, edgecolor="none")
    panels.save(figure, path)


def roc(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot a ROC curve per finding, with the AUROC, its interval, and the point at the threshold."""

    def draw(axes: Axes, k: int, row: dict[str, Any]) -> None:
        false, true, _ = roc_curve(*_known(test, k))
        axes.plot([0, 1], [0, 1], color=panels.PALE, linewidth=0.8, linestyle=":")
        axes.plot(false, true, color=panels.BLUE, linewidth=1.4, label=f"AUROC {panels.with_interval(row, 'auroc')}")
        threshold = metrics.get("thresholds", {}).get(test.findings[k])
        if threshold is not None and not np.isnan(threshold["logit"]):
            label = f"p ≥ {threshold['probability']:.2g} ({threshold['origin']})"
            point = [1 - row["specificity"]], [row["sensitivity"]]
            axes.plot(*point, "o", markersize=5, color=panels.ORANGE, label=label)

    return panels.curves(test, metrics, "auroc", draw, ("ROC", "1 - specificity", "sensitivity"), "lower right")


def precision_recall(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot precision over recall per finding, with average precision, its interval, and the prevalence."""

    def draw(axes: Axes, k: int, row: dict[str, Any]) -> None:
        precision, recall, _ = precision_recall_curve(*_known(test, k))
        precision[-1] = precision[-2]  # scikit-learn's last point (0, 1) has no threshold
        prevalence = row["positives"] / row["n"]
        label = f"AP {panels.with_interval(row, 'ap')}"
        axes.step(recall, precision, where="post", color=panels.BLUE, linewidth=1.4, label=label)
        axes.axhline(prevalence, color=panels.ORANGE, linewidth=1, linestyle="--", label=f"prevalence {prevalence:.3f}")

    return panels.curves(test, metrics, "ap", draw, ("Precision and recall", "recall", "precision"), "upper right")


def calibration(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot the frequency of each finding over its probability; the size of a dot is the share of images."""
    fitted = metrics["temperature"]["value"]
    sides = [("before", 1.0, "ece", panels.ORANGE, "s"), (f"T = {fitted:.2f}", fitted, "ece_scaled", panels.BLUE, "o")]
    _, true, known = decide(test, np.zeros(len(test.findings)))

    def draw(axes: Axes, k: int, row: dict[str, Any]) -> None:
        axes.plot([0, 1], [0, 1], color=panels.PALE, linewidth=0.8, linestyle=":")
        for name, temperature, error, colour, marker in sides:
            if not np.isnan(row[error]):
                values = test.probabilities(temperature)[known[:, k], k]
                dots(axes, *bins(values, true[known[:, k], k]), colour, marker, f"{name}: ECE {row[error]:.3f}")
        axes.set_ylim(top=1.38)  # space for the legend

    words = ("Calibration, T from validation,", "probability", "frequency")
    return panels.curves(test, metrics, "ece", draw, words, "upper left")


def _known(test: Predictions, k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the labels of finding ``k`` that are known, and the scores of their images."""
    known = ~test.labels[:, k].isnan()
    return test.labels[known, k].numpy(), test.ranked[known, k].numpy()


def bins(values: FloatArray, truth: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean probability, frequency and number of images of the non-empty bins of (n,) probabilities and truth.

    >>> [side.round(2).tolist() for side in bins(np.array([0.1, 0.12, 0.9, 1.0]), np.array([False, True, True, True]))]
    [[0.11, 0.9, 1.0], [0.5, 1.0, 1.0], [2.0, 1.0, 1.0]]
    """
    index = np.minimum((values * BINS).astype(int), BINS - 1)
    count, probability, true = (np.bincount(index, weights, minlength=BINS) for weights in (None, values, truth))
    some = count > 0
    return probability[some] / count[some], true[some] / count[some], count[some].astype(np.float64)


def dots(
    axes: Axes, probability: FloatArray, true: FloatArray, count: FloatArray, colour: str, marker: str, label: str
) -> None:
    """Draw a dot per bin, and a line through bins with at least ``JOINED`` images; smaller bins are unreliable."""
    enough, share = count >= JOINED, count / count.sum()
    look: dict[str, Any] = {"color": colour, "linewidth": 0.9, "marker": marker, "markersize": 2.5}
    axes.plot(probability[enough], true[enough], label=label, **look)
    axes.scatter(probability, true, s=6 + 150 * share, color=colour, marker=marker, alpha=0.35, linewidths=0)


def confusion(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot a 2×2 matrix per finding at its threshold, or a single matrix of exclusive classes."""
    if test.exclusive:
        return _classes(test, np.array(metrics["test"]["confusion_matrix"]))
    chosen = [metrics["thresholds"][name] for name in test.findings]
    called, true, known = decide(test, [one["logit"] for one in chosen])
    title = f"Confusion on test ({metrics['test']['n']} images), thresholds: {chosen[0]['origin']}"
    figure, grid = panels.panel_grid(test.findings, title)
    for k, axes in enumerate(grid):
        axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
        if np.isnan(chosen[k]["logit"]):
            panels.write_reason(axes, chosen[k]["reason"])
            continue
        sides = (False, True)
        counts = np.array([[(known & (true == t) & (called == s))[:, k].sum() for s in sides] for t in sides])
        _matrix(axes, counts)
    panels.label_axes(grid, "predicted", "truth", (0, 1), ("no", "yes"))
    return figure


def _classes(test: Predictions, counts: NDArray[np.int64]) -> Figure:
    """Draw the confusion matrix of images that each have exactly one class."""
    names, side = [name.replace("_", " ") for name in test.findings], 2.4 + 0.5 * len(test.findings)
    figure, (axes,) = panels.side_by_side(1, (side + 0.4, side))
    title = f"Confusion on test: {counts.sum()} images with one class,\nprediction: the likeliest class"
    axes.set_title(title, color=panels.INK, fontsize=9)
    _matrix(axes, counts)
    panels.label_axes([axes], "predicted", "truth", range(len(names)), names)
    axes.tick_params(axis="x", rotation=90 if len(names) > 2 else 0)
    return figure


def _matrix(axes: Axes, counts: NDArray[np.int64]) -> None:
    rows = counts.sum(1, keepdims=True)
    shares = np.divide(counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)
    axes.imshow(np.nan_to_num(shares), cmap=COLOURS, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = "" if np.isnan(shares[row, column]) else f"\n{100 * shares[row, column]:.0f}%"
        colour = "white" if shares[row, column] > 0.55 else panels.INK
        axes.text(column, row, f"{count}{share}", ha="center", va="center", color=colour, fontsize=8)
