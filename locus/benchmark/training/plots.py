"""Plots of a finished run: learning curves, and scikit-learn's displays of the test images, a panel per finding.

The same values, from ``locus.benchmark.training.metrics``, give the same file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

from locus.benchmark.training.metrics import Predictions, decide
from locus.core.files import atomic

MAX_COLUMNS = 4
"""Largest number of panels in a row."""
PLOT_INCHES = 3.2
"""Inches of a panel's side."""
CURVES = (["train_loss", "val_loss"], ["val_auroc", "val_ap"])
"""Columns of the history in each panel of the learning curves."""
DISPLAYS = {"roc": ("auroc", RocCurveDisplay), "precision_recall": ("ap", PrecisionRecallDisplay)}
"""Picture -> its metric and scikit-learn's display."""


def draw(folder: Path, test: Predictions, metrics: dict[str, Any]) -> None:
    """Write ``roc.png``, ``precision_recall.png`` and ``confusion.png`` of ``metrics``.

    A finding whose metric or threshold is undefined has a panel with the reason.
    """
    for name, (metric, display) in DISPLAYS.items():
        figure, panels = panel_grid(test.findings)
        for k, (finding, axes) in enumerate(zip(test.findings, panels, strict=True)):
            row = metrics["test"]["findings"][finding]
            has_label = ~test.labels[:, k].isnan()
            if np.isnan(row[metric]):
                axes.text(0, 0.5, row["reasons"][metric], wrap=True)
            else:
                display.from_predictions(
                    test.labels[has_label, k],
                    test.ranking_scores[has_label, k],
                    ax=axes,
                    plot_chance_level=True,
                )
        _save(figure, folder / f"{name}.png")
    _save(confusion(test, metrics), folder / "confusion.png")


def draw_curves(history: list[dict[str, float]], best: int, path: Path) -> None:
    """Write a PNG of the losses and of the validation AUROC and average precision; ``best``: epoch of best.ckpt."""
    figure = Figure(figsize=(8, PLOT_INCHES), layout="constrained")
    table = pd.DataFrame(history).set_index("epoch")
    for axes, names in zip(figure.subplots(1, 2), CURVES, strict=True):
        table[names].plot(ax=axes, marker="o")
        axes.axvline(best, color="grey", linestyle=":", label=f"best.ckpt (epoch {best})")
        axes.legend()
    _save(figure, path)


def confusion(test: Predictions, metrics: dict[str, Any]) -> Figure:
    """Plot a 2×2 matrix per finding at its threshold, or a single matrix of exclusive classes."""
    if test.exclusive:
        figure = Figure(layout="constrained")
        names = [name.replace("_", " ") for name in test.findings]
        display = ConfusionMatrixDisplay(
            np.array(metrics["test"]["confusion_matrix"]), display_labels=names
        )
        display.plot(ax=figure.subplots(), colorbar=False, xticks_rotation="vertical")
        return figure
    thresholds = [metrics["thresholds"][name] for name in test.findings]
    logits = [threshold["logit"] for threshold in thresholds]  # nan where there is a reason
    predicted, true, is_decided = decide(test, logits)
    figure, panels = panel_grid(test.findings)
    for k, axes in enumerate(panels):
        if "reason" in thresholds[k]:
            axes.text(0, 0.5, thresholds[k]["reason"], wrap=True)
        else:
            rows = is_decided[:, k]
            ConfusionMatrixDisplay.from_predictions(
                true[rows, k], predicted[rows, k], labels=[False, True], ax=axes, colorbar=False
            )
    return figure


def panel_grid(findings: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel per finding."""
    columns = min(MAX_COLUMNS, len(findings))
    rows = -(-len(findings) // columns)
    figure = Figure(
        figsize=(PLOT_INCHES * max(columns, 2), PLOT_INCHES * rows), layout="constrained"
    )
    panels = [figure.add_subplot(rows, columns, k + 1) for k in range(len(findings))]
    for axes, finding in zip(panels, findings, strict=True):
        axes.set_title(finding.replace("_", " "))
    return figure, panels


def _save(figure: Figure, path: Path) -> None:
    """Write the PNG atomically, without date or version."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
