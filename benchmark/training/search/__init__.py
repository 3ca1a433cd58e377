"""Hyperparameter search: Optuna chooses values of flags, each trial is a training run, the best flags are saved."""

from collections.abc import Set
from pathlib import Path

from config import TrainConfig
from core.errors import NotAvailableError


def run(config: TrainConfig, explicit_flags: Set[str]) -> Path:
    """Run or resume the search of ``config.search`` and return its folder.

    All trials use the flags that the user typed. The folder has ``trials.csv`` and ``trials.md``, the best trial as
    ``config.yaml`` (for ``--config``), and a run folder per trial. Raises ``core.errors`` types: a wrong file,
    no Optuna, no trial that finished.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise NotAvailableError("--search needs Optuna: pip install '.[search]'") from None
    from benchmark.training.search.study import search

    return search(config, explicit_flags)
