"""Precision-recall curves with the prevalence."""

from pathlib import Path
from typing import Any

from sklearn.metrics import precision_recall_curve

from benchmark.training.metrics.predictions import Predictions
from benchmark.training.plots import panels


def draw(test: Predictions, metrics: dict[str, Any], path: Path) -> None:
    """One panel per finding: the steps, average precision with its interval, and the prevalence, chance's precision."""
    figure, each = panels.grid(test.findings, f"Precision and recall on test ({metrics['test']['n']} images)")
    for _, axes, row, labels, values in panels.ranked(test, metrics, each, "ap"):
        precision, recall, _ = precision_recall_curve(labels, values)
        precision[-1] = precision[-2]  # scikit-learn's last point (0, 1) is at no threshold
        prevalence = row["positives"] / row["n"]
        label = f"AP {panels.with_interval(row, 'ap')}"
        axes.step(recall, precision, where="post", color=panels.BLUE, linewidth=1.4, label=label)
        axes.axhline(prevalence, color=panels.ORANGE, linewidth=1, linestyle="--", label=f"prevalence {prevalence:.3f}")
        panels.legend(axes, "upper right")
    panels.shares(each, "recall", "precision")
    panels.save(figure, path)
