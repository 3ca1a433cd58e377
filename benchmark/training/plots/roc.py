"""ROC curves with the thresholds that validation chose."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import roc_curve

from benchmark.training.metrics.predictions import Predictions
from benchmark.training.plots import panels


def draw(test: Predictions, metrics: dict[str, Any], path: Path) -> None:
    """One panel per finding: the curve, AUROC with its interval, and the point at the threshold."""
    figure, each = panels.grid(test.findings, f"ROC on test ({metrics['test']['n']} images)")
    for finding, axes, row, labels, values in panels.ranked(test, metrics, each, "auroc"):
        false, true, _ = roc_curve(labels, values)
        axes.plot([0, 1], [0, 1], color=panels.PALE, linewidth=0.8, linestyle=":")
        axes.plot(false, true, color=panels.BLUE, linewidth=1.4, label=f"AUROC {panels.with_interval(row, 'auroc')}")
        _mark(axes, row, metrics.get("thresholds", {}).get(finding))
        panels.legend(axes, "lower right")
    panels.shares(each, "1 - specificity", "sensitivity")
    panels.save(figure, path)


def _mark(axes: Axes, row: dict[str, Any], threshold: dict[str, Any] | None) -> None:
    """The point at the threshold, where there is one."""
    if threshold is not None and not np.isnan(threshold["logit"]):
        where = f"p ≥ {threshold['probability']:.2g} ({threshold['origin']})"
        axes.plot([1 - row["specificity"]], [row["sensitivity"]], "o", markersize=5, color=panels.ORANGE, label=where)
