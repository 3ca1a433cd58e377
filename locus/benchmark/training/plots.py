"""Plots of a finished run: learning curves, and ranking and decisions on the test images.

``draw`` writes ``roc.png``, ``precision_recall.png`` and ``confusion.png``, and ``draw_curves`` the learning curves.
All use a grid of panels (``panel_grid``) and colours for colour-blind readers, and the same values
give the same file. The values come from ``locus.benchmark.training.metrics``.
"""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from locus.benchmark.training.metrics import Predictions, decide
from locus.core.files import atomic

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
"""From Okabe and Ito's palette for colour-blind readers; "Color universal design", 2008."""
INK, PALE = "#1d2733", "#8a94a3"
COLUMNS = 4
SIDE, ACROSS, DOWN = 2.4, 0.3, 0.42
"""Inches: side of a panel, and gaps between panels."""
LEFT, BELOW, ABOVE = 0.55, 0.5, 0.6
"""Inches around the grid."""
STYLE: dict[Any, Any] = {
    **{"font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9},
    **{"axes.spines.top": False, "axes.spines.right": False},
}
CURVES = {
    "loss": {"train_loss": "training", "val_loss": "validation"},
    "on validation, mean over findings": {"val_auroc": "AUROC", "val_ap": "average precision"},
}
COLOURS = "Blues"


Draw = Callable[[Axes, int, dict[str, Any]], None]
"""Draws into the panel of a finding, given its index and its row of metrics.json."""
Corner = Literal["lower right", "upper right"]


def panel_grid(findings: Sequence[str], title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with a square panel per finding; fixed positions are faster than Matplotlib's layout."""
    indices, columns = range(len(findings)), min(COLUMNS, len(findings))
    rows = -(-len(findings) // columns)
    width = max(LEFT + columns * (SIDE + ACROSS), 4.8)
    height = ABOVE + rows * SIDE + (rows - 1) * DOWN + BELOW
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
        xs = [(LEFT + (k % columns) * (SIDE + ACROSS)) / width for k in indices]
        ys = [(height - ABOVE - SIDE - (k // columns) * (SIDE + DOWN)) / height for k in indices]
        panels = [figure.add_axes((xs[k], ys[k], SIDE / width, SIDE / height)) for k in indices]
    figure.text(LEFT / width, 1 - 0.22 / height, title, fontsize=10, color=INK, va="center")
    for axes, finding in zip(panels, findings, strict=True):
        axes.set_title(finding.replace("_", " "), color=INK, fontsize=9, pad=4)
    return figure, panels


def side_by_side(count: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``size`` (width, height) in inches with ``count`` panels in a row."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
        return figure, [*figure.subplots(1, count, squeeze=False)[0]]


def label_axes(panels: Sequence[Axes], x: str, y: str, ticks: Sequence[float], words: Sequence[str]) -> None:
    """Give all panels the same axes; only the outer ones have labels and tick labels."""
    for k, axes in enumerate(panels):
        is_bottom, is_left = k >= len(panels) - COLUMNS, k % COLUMNS == 0
        axes.set_xticks(ticks, words if is_bottom else [])
        axes.set_yticks(ticks, words if is_left else [])
        axes.set_xlabel(x if is_bottom else "", labelpad=1, fontsize=8)
        axes.set_ylabel(y if is_left else "", labelpad=1, fontsize=8)


def curves(
    test: Predictions, metrics: dict[str, Any], metric: str, draw: Draw, words: tuple[str, str, str], corner: Corner
) -> Figure:
    """Return a figure with axes from 0 to 1 in which ``draw`` has drawn each finding, with a legend in a ``corner``.

    A finding whose ``metric`` is undefined has the reason instead. ``words`` are the title and the labels of both axes.
    """
    title, x, y = words
    figure, grid = panel_grid(test.findings, f"{title} on test ({metrics['test']['n']} images)")
    for k, axes in enumerate(grid):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        row = metrics["test"]["findings"][test.findings[k]]
        if np.isnan(row[metric]):
            write_reason(axes, row["reasons"][metric])
            continue
        draw(axes, k, row)
        axes.legend(loc=corner, fontsize=7, framealpha=0.85, edgecolor="none", handlelength=1.4, borderpad=0.2)
    label_axes(grid, x, y, (0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    return figure


def write_reason(axes: Axes, reason: str) -> None:
    """Write into a panel why it has no curve."""
    text = textwrap.fill(reason, 28, break_long_words=False, break_on_hyphens=False)
    axes.text(0.5, 0.5, text, ha="center", va="center", color=PALE, fontsize=8, transform=axes.transAxes)


def with_interval(row: dict[str, Any], name: str) -> str:
    """Format a value with its interval: ``.713 [.650, .771]``.

    >>> with_interval({"auroc": 0.7131, "intervals": {"auroc": [0.65, 1.0]}}, "auroc")
    '.713 [.650, 1.000]'
    """
    ends = row["intervals"].get(name)
    return _short(row[name]) + (f" [{_short(ends[0])}, {_short(ends[1])}]" if ends else "")


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def save(figure: Figure, path: Path) -> None:
    """Write the PNG atomically, without date or version."""
    with mpl.rc_context(STYLE), atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def draw(folder: Path, test: Predictions, metrics: dict[str, Any]) -> None:
    """Write ``roc.png``, ``precision_recall.png`` and ``confusion.png`` of ``metrics``."""
    for picture in (roc, precision_recall, confusion):
        save(picture(test, metrics), folder / f"{picture.__name__}.png")


def draw_curves(history: list[dict[str, float]], best: int, path: Path) -> None:
    """Write a PNG of the losses and of the validation AUROC and average precision; ``best``: epoch of best.ckpt."""
    figure, sides = side_by_side(2, (8, 3.2))
    epochs = [row["epoch"] for row in history]
    for axes, (title, curves) in zip(sides, CURVES.items(), strict=True):
        for (name, word), colour, marker in zip(curves.items(), (BLUE, ORANGE), "os", strict=True):
            axes.plot(epochs, [row[name] for row in history], color=colour, marker=marker, markersize=3, label=word)
        axes.axvline(best, color=PALE, linestyle=":", label=f"best.ckpt (epoch {best})")
        axes.set_xlabel("epoch")
        axes.set_title(title, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8, edgecolor="none")
    save(figure, path)


def roc(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot a ROC curve per finding, with the AUROC, its interval, and the point at the threshold."""

    def draw(axes: Axes, k: int, row: dict[str, Any]) -> None:
        false, true, _ = roc_curve(*_known(test, k))
        axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, linestyle=":")
        axes.plot(false, true, color=BLUE, linewidth=1.4, label=f"AUROC {with_interval(row, 'auroc')}")
        threshold = metrics.get("thresholds", {}).get(test.findings[k])
        if threshold is not None and not np.isnan(threshold["logit"]):
            label = f"p ≥ {threshold['probability']:.2g} ({threshold['origin']})"
            point = [1 - row["specificity"]], [row["sensitivity"]]
            axes.plot(*point, "o", markersize=5, color=ORANGE, label=label)

    return curves(test, metrics, "auroc", draw, ("ROC", "1 - specificity", "sensitivity"), "lower right")


def precision_recall(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot precision over recall per finding, with average precision, its interval, and the prevalence."""

    def draw(axes: Axes, k: int, row: dict[str, Any]) -> None:
        precision, recall, _ = precision_recall_curve(*_known(test, k))
        precision[-1] = precision[-2]  # scikit-learn's last point (0, 1) has no threshold
        prevalence = row["positives"] / row["n"]
        label = f"AP {with_interval(row, 'ap')}"
        axes.step(recall, precision, where="post", color=BLUE, linewidth=1.4, label=label)
        axes.axhline(prevalence, color=ORANGE, linewidth=1, linestyle="--", label=f"prevalence {prevalence:.3f}")

    return curves(test, metrics, "ap", draw, ("Precision and recall", "recall", "precision"), "upper right")


def _known(test: Predictions, k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the labels of finding ``k`` that are known, and the scores of their images."""
    known = ~test.labels[:, k].isnan()
    return test.labels[known, k].numpy(), test.ranked[known, k].numpy()


def confusion(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot a 2×2 matrix per finding at its threshold, or a single matrix of exclusive classes."""
    if test.exclusive:
        return _classes(test, np.array(metrics["test"]["confusion_matrix"]))
    chosen = [metrics["thresholds"][name] for name in test.findings]
    called, true, known = decide(test, [one["logit"] for one in chosen])
    title = f"Confusion on test ({metrics['test']['n']} images), thresholds: {chosen[0]['origin']}"
    figure, grid = panel_grid(test.findings, title)
    for k, axes in enumerate(grid):
        axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
        if np.isnan(chosen[k]["logit"]):
            write_reason(axes, chosen[k]["reason"])
            continue
        sides = (False, True)
        counts = np.array([[(known & (true == t) & (called == s))[:, k].sum() for s in sides] for t in sides])
        _matrix(axes, counts)
    label_axes(grid, "predicted", "truth", (0, 1), ("no", "yes"))
    return figure


def _classes(test: Predictions, counts: NDArray[np.int64]) -> Figure:
    """Draw the confusion matrix of images that each have exactly one class."""
    names, side = [name.replace("_", " ") for name in test.findings], 2.4 + 0.5 * len(test.findings)
    figure, (axes,) = side_by_side(1, (side + 0.4, side))
    title = f"Confusion on test: {counts.sum()} images with one class,\nprediction: the likeliest class"
    axes.set_title(title, color=INK, fontsize=9)
    _matrix(axes, counts)
    label_axes([axes], "predicted", "truth", range(len(names)), names)
    axes.tick_params(axis="x", rotation=90 if len(names) > 2 else 0)
    return figure


def _matrix(axes: Axes, counts: NDArray[np.int64]) -> None:
    rows = counts.sum(1, keepdims=True)
    shares = np.divide(counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)
    axes.imshow(np.nan_to_num(shares), cmap=COLOURS, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = "" if np.isnan(shares[row, column]) else f"\n{100 * shares[row, column]:.0f}%"
        colour = "white" if shares[row, column] > 0.55 else INK
        axes.text(column, row, f"{count}{share}", ha="center", va="center", color=colour, fontsize=8)
