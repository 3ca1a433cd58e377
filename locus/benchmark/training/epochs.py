"""The epochs of a training run: which one is the best, which one is kept, and when training stops early."""

import math

DEFAULT_PATIENCE_EPOCHS = 5
"""Patience of ``--early_stopping True``, in epochs."""


def best_epoch(history: list[dict[str, float]]) -> int:
    """Return the number (from 1) of the epoch with the highest mean validation AUROC, the first if tied.

    If no finding has both classes, it is the epoch with the lowest validation loss.

    >>> best_epoch([{"epoch": 1, "val_auroc": .7, "val_loss": .2}, {"epoch": 2, "val_auroc": .8, "val_loss": .3}])
    2
    """
    return int(max(history, key=_validation_score)["epoch"])


def kept_epoch(history: list[dict[str, float]], keep: str) -> int:
    """Return the number (from 1) of the epoch in ``best.ckpt``: the last or best one so far, according to ``keep``.

    >>> kept_epoch([{"epoch": 1.0}, {"epoch": 2.0}], "last")
    2
    """
    return len(history) if keep == "last" else best_epoch(history)


def stopped_early(history: list[dict[str, float]], early_stopping: bool | int) -> bool:
    """Return whether the best epoch is at least the patience ago.

    ``early_stopping``: patience in epochs; True for ``DEFAULT_PATIENCE_EPOCHS``, False for never.
    """
    patience = DEFAULT_PATIENCE_EPOCHS if early_stopping is True else int(early_stopping)
    return patience > 0 and bool(history) and len(history) - best_epoch(history) >= patience


def _validation_score(row: dict[str, float]) -> float:
    """Return the AUROC, else the negative loss; a loss that is not a number is below all others."""
    if not math.isnan(row["val_auroc"]):
        return row["val_auroc"]
    return -math.inf if math.isnan(row["val_loss"]) else -row["val_loss"]
