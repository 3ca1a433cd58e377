"""Search for a recipe: Optuna tries values of flags, each trial is a training, the best flags are written down."""

from collections.abc import Set
from pathlib import Path

from config import TrainConfig
from core.errors import NotAvailableError


def run(config: TrainConfig, explicit_flags: Set[str]) -> Path:
    """Run or go on with the search of ``config.search`` and return its folder.

    All trials have the flags that a user typed. In the folder lie ``trials.csv`` and ``trials.md``, ``config.yaml``
    of the best trial, which ``--config`` takes, and a run folder per trial. Raises ``core.errors`` types: a wrong file,
    no Optuna, no trial that came to an end.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise NotAvailableError("--search needs Optuna: pip install '.[search]'") from None
    from benchmark.search.study import search

    return search(config, explicit_flags)
