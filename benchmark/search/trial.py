"""One trial: a training with the values that Optuna chose, judged after each epoch, ended early or failed."""

import logging
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import optuna

from benchmark.search import table
from benchmark.search.plan import Plan, trial_config
from benchmark.search.space import suggest
from benchmark.training import devices
from benchmark.training.module import ClassifierModule
from benchmark.training.run import train
from core.errors import BadValueError, LocusError

log = logging.getLogger(__name__)
RETRIES = 2
with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES, inherit_intermediate_values=True)
"""Puts a trial that broke off at the head of those to come; its run goes on from its last.ckpt."""


class Pruning(lightning.Callback):
    """Reports the best value so far to the trial after each epoch, and ends a training that is not worth going on."""

    def __init__(self, trial: optuna.Trial, plan: Plan) -> None:
        """Reports ``plan.metric`` to ``trial``."""
        self.trial, self.plan = trial, plan

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Report; raises ``optuna.TrialPruned``."""
        if not isinstance(pl_module, ClassifierModule):
            return
        self.trial.report(best_so_far(pl_module.history, self.plan), len(pl_module.history))
        if len(pl_module.history) < pl_module.config.epochs and self.trial.should_prune():
            raise optuna.TrialPruned


def objective(trial: optuna.Trial, plan: Plan, fixed_flags: Mapping[str, Any], folder: Path) -> float:
    """The value of ``trial``, whose weights lie in ``folder/trial-<number>``.

    One that is tried again goes on where it was killed. No trial sees a test image. Raises ``optuna.TrialPruned``, and
    ``LocusError`` for flags that do not go together, too little memory and the like, whose sentence is kept.
    """
    chosen = {name: suggest(trial, name, values) for name, values in plan.space.items()}
    trials = trial.study.get_trials(deepcopy=False)
    run = folder / f"trial-{table.original_trial_number(trials[trial.number]):04d}"
    n_started = len({table.original_trial_number(started) for started in trials})
    log.info("trial %d (%d of %d): %s", trial.number, n_started, plan.trials, table.as_typed(chosen))
    try:
        config = trial_config(fixed_flags, chosen)
        if devices.world(config) > 1:
            raise BadValueError("a trial trains on one device: write --devices 1, and start a search for each GPU")
        score = best_so_far(train(config, run, Pruning(trial, plan)), plan)
    except KeyboardInterrupt:
        retry(trial.study, trial.study.get_trials(deepcopy=False)[trial.number])
        raise
    except LocusError as error:
        log.info("trial %d failed: %s", trial.number, error)
        trial.set_user_attr("reason", str(error))
        raise
    log.info("trial %d: %s %.4f", trial.number, plan.metric, score)
    return score


def best_so_far(history: list[dict[str, float]], plan: Plan) -> float:
    """The best value of the epochs so far. Raises ``LocusError`` where no epoch has one.

    Best by the plan's ``direction``; epochs without a value (nan) do not count.
    """
    values = [row[plan.metric] for row in history if not math.isnan(row[plan.metric])]
    if not values:
        raise LocusError(f"{plan.metric} is not defined on the validation images: no finding has both classes there")
    return max(values) if plan.direction == "maximize" else min(values)
