"""Precision-recall curves with the prevalence."""

from pathlib import Path
from typing import Any

from sklearn.metrics import precision_recall_curve

from benchmark.training.metrics.answers import Answers
from benchmark.training.plots import panels


def draw(test: Answers, found: dict[str, Any], path: Path) -> None:
    """One panel per finding: the steps, average precision with its interval, and the prevalence, which chance reaches."""
    figure, each = panels.grid(test.findings, f"Precision and recall on test ({found['test']['n']} images)")
    for _, axes, row, labels, values in panels.ranked(test, found, each, "ap"):
        precision, recall, _ = precision_recall_curve(labels, values)
        precision[-1] = precision[-2]  # scikit-learn's last point (0, 1) is at no threshold
        prevalence = row["positives"] / row["n"]
        axes.step(
            recall, precision, where="post", color=panels.BLUE, linewidth=1.4, label=f"AP {panels.told(row, 'ap')}"
        )
        axes.axhline(prevalence, color=panels.ORANGE, linewidth=1, linestyle="--", label=f"prevalence {prevalence:.3f}")
        panels.legend(axes, "upper right")
    panels.shares(each, "recall", "precision")
    panels.save(figure, path)
