"""Hyperparameter search with Optuna: each trial is a training run, and the best flags are saved."""

from collections.abc import Set
from pathlib import Path

from config import TrainConfig
from core.errors import NotAvailableError


def run(config: TrainConfig, explicit_flags: Set[str]) -> Path:
    """Run or resume the search of ``config.search`` and return its folder.

    All trials use the flags of the command line. The folder contains ``trials.csv`` and ``trials.md``, the best trial
    as ``config.yaml`` (for ``--config``), and a run folder per trial. Raises ``core.errors`` types for an invalid file,
    without Optuna, and if no trial finishes.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise NotAvailableError("--search requires Optuna: pip install '.[search]'") from None
    from benchmark.training.search.study import search

    return search(config, explicit_flags)
