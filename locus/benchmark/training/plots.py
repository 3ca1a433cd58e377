"""Plots of a finished run: learning curves, and scikit-learn's displays of ranking and decisions on the test images.

``draw`` writes ``roc.png``, ``precision_recall.png`` and ``confusion.png`` with a panel per finding, ``draw_curves``
the learning curves. The same values, from ``locus.benchmark.training.metrics``, give the same file.
"""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    precision_recall_curve,
    roc_curve,
)

from locus.benchmark.training.metrics import Predictions, decide
from locus.core.files import atomic

BLUE, ORANGE = "#0072b2", "#d55e00"
"""From Okabe and Ito's palette for colour-blind readers; "Color universal design", 2008."""
PALE = "#8a94a3"
COLUMNS, SIDE = 4, 2.7
"""Largest number of panels in a row, and inches of a panel's side."""
STYLE: dict[Any, Any] = {
    **{"font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9, "figure.titlesize": 10},
    **{"axes.spines.top": False, "axes.spines.right": False},
    **{"legend.fontsize": 7, "legend.edgecolor": "none", "legend.handlelength": 1.4, "legend.borderpad": 0.2},
}
CURVES = {
    "loss": {"train_loss": "training", "val_loss": "validation"},
    "on validation, mean over findings": {"val_auroc": "AUROC", "val_ap": "average precision"},
}
Show = Callable[[Axes, int, dict[str, Any]], None]
"""Draws into the panel of a finding, given its index and its row of metrics.json."""


def draw(folder: Path, test: Predictions, metrics: dict[str, Any]) -> None:
    """Write ``roc.png``, ``precision_recall.png`` and ``confusion.png`` of ``metrics``."""
    for picture in (roc, precision_recall, confusion):
        with rc_context(STYLE):
            _save(picture(test, metrics), folder / f"{picture.__name__}.png")


def draw_curves(history: list[dict[str, float]], best: int, path: Path) -> None:
    """Write a PNG of the losses and of the validation AUROC and average precision; ``best``: epoch of best.ckpt."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 3.2), dpi=120, layout="constrained")
        epochs = [row["epoch"] for row in history]
        for axes, (title, curves) in zip(figure.subplots(1, 2), CURVES.items(), strict=True):
            for (name, word), colour, marker in zip(curves.items(), (BLUE, ORANGE), "os", strict=True):
                axes.plot(epochs, [row[name] for row in history], color=colour, marker=marker, markersize=3, label=word)
            axes.axvline(best, color=PALE, linestyle=":", label=f"best.ckpt (epoch {best})")
            axes.set(xlabel="epoch", title=title)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend()
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write the PNG atomically, without date or version."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def panel_grid(findings: Sequence[str], title: str, x: str, y: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel per finding, and one label for all x axes and for all y axes."""
    columns = min(COLUMNS, len(findings))
    rows = -(-len(findings) // columns)
    width, height = max(SIDE * columns, 4.8) + 0.3, SIDE * rows + 0.6
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    figure.subplots_adjust(
        0.6 / width, 0.6 / height, 1 - 0.1 / width, 1 - 0.6 / height, 0.22, 0.3
    )  # faster than a layout
    panels = [figure.add_subplot(rows, columns, k + 1) for k in range(len(findings))]
    figure.suptitle(title)
    figure.supxlabel(x, fontsize=8)
    figure.supylabel(y, fontsize=8)
    for axes, finding in zip(panels, findings, strict=True):
        axes.set_title(finding.replace("_", " "))
    return figure, panels


def _per_finding(
    test: Predictions, metrics: dict[str, Any], metric: str, words: tuple[str, str, str], show: Show
) -> Figure:
    """Return a figure in which ``show`` draws each finding, or the reason if its ``metric`` is undefined.

    ``words`` are the title and the labels of both axes.
    """
    title, x, y = words
    figure, panels = panel_grid(test.findings, f"{title} on test ({metrics['test']['n']} images)", x, y)
    for k, (finding, axes) in enumerate(zip(test.findings, panels, strict=True)):
        row = metrics["test"]["findings"][finding]
        if np.isnan(row[metric]):
            _write_reason(axes, row["reasons"][metric])
        else:
            show(axes, k, row)
            axes.set(xlabel="", ylabel="")
            axes.legend()
    return figure


def _write_reason(axes: Axes, reason: str) -> None:
    """Write into a panel why it has no curve."""
    text = textwrap.fill(reason, 28, break_long_words=False, break_on_hyphens=False)
    axes.text(0.5, 0.5, text, ha="center", va="center", color=PALE, transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])


def with_interval(row: dict[str, Any], name: str) -> str:
    """Format a value with its interval: ``.713 [.650, .771]``.

    >>> with_interval({"auroc": 0.7131, "intervals": {"auroc": [0.65, 1.0]}}, "auroc")
    '.713 [.650, 1.000]'
    """
    ends = row["intervals"].get(name)
    return _short(row[name]) + (f" [{_short(ends[0])}, {_short(ends[1])}]" if ends else "")


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def roc(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot a ROC curve per finding, with the AUROC, its interval, and the point at the threshold."""

    def show(axes: Axes, k: int, row: dict[str, Any]) -> None:
        false, true, _ = roc_curve(*_known(test, k))
        name = f"AUROC {with_interval(row, 'auroc')}"
        display, chance = RocCurveDisplay(fpr=false, tpr=true), {"color": PALE, "linestyle": ":", "label": "_chance"}
        display.plot(axes, curve_kwargs={"color": BLUE, "label": name}, plot_chance_level=True, chance_level_kw=chance)
        threshold = metrics.get("thresholds", {}).get(test.findings[k])
        if threshold is not None and not np.isnan(threshold["logit"]):
            label = f"p ≥ {threshold['probability']:.2g} ({threshold['origin']})"
            point = [1 - row["specificity"]], [row["sensitivity"]]
            axes.plot(*point, "o", markersize=5, color=ORANGE, label=label)

    return _per_finding(test, metrics, "auroc", ("ROC", "1 - specificity", "sensitivity"), show)


def precision_recall(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot precision over recall per finding, with average precision, its interval, and the prevalence."""

    def show(axes: Axes, k: int, row: dict[str, Any]) -> None:
        precision, recall, _ = precision_recall_curve(*_known(test, k))
        precision[-1] = precision[-2]  # scikit-learn's last point (0, 1) has no threshold
        prevalence = row["positives"] / row["n"]
        display = PrecisionRecallDisplay(precision, recall, prevalence_pos_label=prevalence)
        name = f"AP {with_interval(row, 'ap')}"
        chance = {"color": ORANGE, "label": f"prevalence {prevalence:.3f}"}
        display.plot(axes, curve_kwargs={"color": BLUE, "label": name}, plot_chance_level=True, chance_level_kw=chance)

    return _per_finding(test, metrics, "ap", ("Precision and recall", "recall", "precision"), show)


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
    figure, panels = panel_grid(test.findings, title, "predicted", "truth")
    for k, axes in enumerate(panels):
        if np.isnan(chosen[k]["logit"]):
            _write_reason(axes, chosen[k]["reason"])
            continue
        sides = (False, True)
        counts = np.array([[(known & (true == t) & (called == s))[:, k].sum() for s in sides] for t in sides])
        _matrix(axes, counts, ("no", "yes"))
    return figure


def _classes(test: Predictions, counts: NDArray[np.int64]) -> Figure:
    """Draw the confusion matrix of images that each have exactly one class."""
    names, side = [name.replace("_", " ") for name in test.findings], 2.4 + 0.5 * len(test.findings)
    figure = Figure(figsize=(side + 0.4, side), dpi=120, facecolor="white", layout="constrained")
    axes = figure.subplots()
    _matrix(axes, counts, names)
    title = f"Confusion on test: {counts.sum()} images with one class,\nprediction: the likeliest class"
    axes.set(title=title, xlabel="predicted", ylabel="truth")
    axes.tick_params(axis="x", rotation=90 if len(names) > 2 else 0)
    return figure


def _matrix(axes: Axes, counts: NDArray[np.int64], names: Sequence[str]) -> None:
    """Draw counts with the share of their row, which is also their colour."""
    rows = counts.sum(1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    display = ConfusionMatrixDisplay(shares, display_labels=names)
    display.plot(ax=axes, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1})
    for at, count in np.ndenumerate(counts):
        words = f"{count}\n{shares[at]:.0%}" if rows[at[0], 0] else str(count)
        display.text_[at].set(text=words, color="white" if shares[at] > 0.55 else "black")
    axes.set(xlabel="", ylabel="")
