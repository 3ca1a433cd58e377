"""Search for a recipe: Optuna tries values of any flags, every trial is a training, and the best one's flags are written down."""

from collections.abc import Set
from pathlib import Path

from config import TrainConfig
from core.errors import NotAvailableError


def run(config: TrainConfig, typed: Set[str]) -> Path:
    """Run or go on with the search of ``config.search``, whose trials all have the flags that a user ``typed``.

    Its folder.

    There lie ``trials.csv`` and ``trials.md``, ``config.yaml`` of the best trial, which ``--config`` takes, and a run
    folder per trial. Raises ``core.errors`` types: a wrong search file, no Optuna, no trial that came to an end.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise NotAvailableError("--search needs Optuna: pip install '.[search]'") from None
    from benchmark.search.study import search

    return search(config, typed)
