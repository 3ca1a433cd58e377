"""Plot of a training run: loss, AUROC and average precision over the epochs."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.training.plots import panels

PARTS = {
    "loss": {"train_loss": "training", "val_loss": "validation"},
    "on validation, mean over findings": {"val_auroc": "AUROC", "val_ap": "average precision"},
}


def draw(history: list[dict[str, float]], kept: int, path: Path) -> None:
    """Write a PNG of the losses and of validation's AUROC and average precision; ``kept``: the epoch of best.ckpt."""
    with mpl.rc_context(panels.STYLE):
        figure = Figure(figsize=(8, 3.2), dpi=120, layout="constrained", facecolor="white")
        sides = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for axes, (title, curves) in zip(sides, PARTS.items(), strict=True):
        for (name, word), colour, marker in zip(curves.items(), (panels.BLUE, panels.ORANGE), "os", strict=True):
            axes.plot(epochs, [row[name] for row in history], color=colour, marker=marker, markersize=3, label=word)
        axes.axvline(kept, color=panels.PALE, linestyle=":", label=f"best.ckpt (epoch {kept})")
        axes.set_xlabel("epoch")
        axes.set_title(title, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8, edgecolor="none")
    panels.save(figure, path)
