"""The picture of a run: loss and AUROC over the epochs."""

from pathlib import Path

from matplotlib.figure import Figure

from benchmark.training.callbacks import best_epoch
from core.files import atomic


def draw(history: list[dict[str, float]], path: Path) -> None:
    """Write a PNG: losses on the left, validation AUROC and average precision on the right, the best epoch marked."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for axes, names in ((left, ("train_loss", "val_loss")), (right, ("val_auroc", "val_ap"))):
        for name in names:
            axes.plot(epochs, [row[name] for row in history], marker="o", markersize=3, label=name)
        axes.axvline(best_epoch(history), color="gray", linestyle=":", label="best.ckpt")
        axes.set_xlabel("epoch")
        axes.legend()
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
