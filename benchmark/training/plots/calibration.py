"""Reliability diagrams before and after temperature scaling. Guo et al., ICML 2017, figure 1."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchmark.training.metrics.calibration import BINS
from benchmark.training.metrics.decisions import decided
from benchmark.training.metrics.predictions import Predictions
from benchmark.training.plots import panels
from core.types import FloatArray

JOINED = 5
"""A bin of so many images is part of the line."""


def draw(test: Predictions, metrics: dict[str, Any], path: Path) -> None:
    """One panel per finding: its frequency among images of about the same probability, dots as large as their share."""
    fitted = metrics["temperature"]["value"]
    sides = [("before", 1.0, "ece", panels.ORANGE, "s"), (f"T = {fitted:.2f}", fitted, "ece_scaled", panels.BLUE, "o")]
    figure, each = panels.grid(test.findings, f"Calibration on test ({metrics['test']['n']} images), T from validation")
    _, true, known = decided(test, np.zeros(len(test.findings)))
    for k, axes in enumerate(each):
        row = metrics["test"]["findings"][test.findings[k]]
        axes.plot([0, 1], [0, 1], color=panels.PALE, linewidth=0.8, linestyle=":")
        for name, temperature, error, colour, marker in sides:
            if np.isnan(row[error]):
                continue
            values = test.probabilities(temperature)[known[:, k], k]
            dots(axes, *bins(values, true[known[:, k], k]), colour, marker, f"{name}: ECE {row[error]:.3f}")
        if axes.get_legend_handles_labels()[0]:
            panels.legend(axes, "upper left")
        else:
            panels.write_reason(axes, row["reasons"]["ece"])
    panels.shares(each, "probability", "frequency")
    for axes in each:
        axes.set_ylim(top=1.38)  # room for the legend
    panels.save(figure, path)


def bins(values: FloatArray, truth: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(n,) probabilities and truth -> mean probability, frequency, and number of images of each bin that has any.

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
    """A dot per bin; a line through those of ``JOINED`` images or more, since a few images give no frequency."""
    enough, share = count >= JOINED, count / count.sum()
    look: dict[str, Any] = {"color": colour, "linewidth": 0.9, "marker": marker, "markersize": 2.5}
    axes.plot(probability[enough], true[enough], label=label, **look)
    axes.scatter(probability, true, s=6 + 150 * share, color=colour, marker=marker, alpha=0.35, linewidths=0)
