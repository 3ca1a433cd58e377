"""The trials of a search, and their tables.

A trial is a training run with values chosen by Optuna. It reports its value after each epoch, and may stop early or
fail.
"""

import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import tabulate
from lightning.pytorch import Callback, LightningModule, Trainer
from optuna.trial import FrozenTrial, TrialState

from benchmark.training import machine
from benchmark.training.module import ClassifierModule
from benchmark.training.run import train
from benchmark.training.runs import csv_text
from benchmark.training.search.plan import Plan, suggest, trial_config
from core.errors import BadValueError, LocusError, one_line
from core.files import csv_cell

log = logging.getLogger(__name__)
RETRIES = 2
with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES, inherit_intermediate_values=True)
"""Puts an interrupted trial first in the queue; its run resumes from last.ckpt."""
STATES = {state: state.name.lower() for state in TrialState} | {TrialState.FAIL: "failed"}


class Pruning(Callback):
    """Reports the best value so far to the trial after each epoch, and stops unpromising training runs."""

    def __init__(self, trial: optuna.Trial, plan: Plan) -> None:
        """Report ``plan.metric`` to ``trial``."""
        self.trial, self.plan = trial, plan

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report; raises ``optuna.TrialPruned``."""
        if not isinstance(pl_module, ClassifierModule):
            return
        self.trial.report(best_so_far(pl_module.history, self.plan), len(pl_module.history))
        if len(pl_module.history) < pl_module.config.epochs and self.trial.should_prune():
            raise optuna.TrialPruned


def objective(trial: optuna.Trial, plan: Plan, fixed_flags: Mapping[str, Any], folder: Path) -> float:
    """Run ``trial`` in ``folder/trial-<number>`` and return its value.

    A repeated trial resumes where it was killed. No trial uses test images. Raises ``optuna.TrialPruned``, and
    ``LocusError`` for invalid flags or too little memory, with a message that is stored with the trial.
    """
    chosen = {name: suggest(trial, name, values) for name, values in plan.space.items()}
    trials = trial.study.get_trials(deepcopy=False)
    run = folder / f"trial-{original_trial_number(trials[trial.number]):04d}"
    n_started = len(set(map(original_trial_number, trials)))
    log.info("trial %d (%d of %d): %s", trial.number, n_started, plan.trials, as_typed(chosen))
    try:
        config = trial_config(fixed_flags, chosen)
        if machine.world_size(config) > 1:
            raise BadValueError("a search requires --devices 1: write that, and start one search per GPU")
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
    """Return the best value of the epochs so far, ignoring nan. Raises ``LocusError`` if no epoch has a value."""
    values = [row[plan.metric] for row in history if not math.isnan(row[plan.metric])]
    if not values:
        raise LocusError(f"{plan.metric} is undefined, because no finding has both classes on the validation images")
    return max(values) if plan.direction == "maximize" else min(values)


def original_trial_number(trial: FrozenTrial) -> int:
    """Return the number of the trial that this one repeats, or its own number."""
    return int(trial.system_attrs.get("failed_trial", trial.number))


def as_typed(values: Mapping[str, Any]) -> str:
    """Format flags for the command line.

    >>> as_typed({"lr": 0.01, "optimizer": "Adam"})
    '--lr 0.01 --optimizer Adam'
    """
    return " ".join(f"--{name} {_format(value)}" for name, value in values.items())


def csv_of(trials: Sequence[FrozenTrial], names: Sequence[str]) -> str:
    """Return a row per trial: state, value, epochs, chosen values, reason of failure, run folder."""
    rows: list[list[Any]] = [["trial", "state", "value", "epochs", *names, "reason", "run"]]
    for trial in trials:
        rows.append([*_row(trial, names), _reason(trial, trials), f"trial-{original_trial_number(trial):04d}"])
    return csv_text([*map(csv_cell, row)] for row in rows)


def markdown(trials: Sequence[FrozenTrial], plan: Plan) -> str:
    """Return the trials as a Markdown table, best first."""
    counts = {word: sum(trial.state == state for trial in trials) for state, word in STATES.items()}
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    sign = -1 if plan.direction == "maximize" else 1
    ordered = sorted(trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0), trial.number))
    words = ([*_row(trial, list(plan.space)), _reason(trial, trials)] for trial in ordered)
    rows = [[_format(cell).replace("|", r"\|") for cell in row] for row in words]
    head = ["trial", "state", plan.metric, "epochs", *plan.space, "reason"]
    body = tabulate.tabulate(rows, head, tablefmt="github", disable_numparse=True)
    judged = f"{plan.direction} {plan.metric} of the best epoch"
    return f"# {plan.study}\n\n{summary or 'no trial yet'}; {judged}.\n\n{body}\n"


def _row(trial: FrozenTrial, names: Sequence[str]) -> list[Any]:
    last = trial.intermediate_values.get(max(trial.intermediate_values, default=0))
    value = trial.value if trial.state == TrialState.COMPLETE else last
    tried = [trial.params.get(name) for name in names]
    return [trial.number, STATES[trial.state], value, len(trial.intermediate_values), *tried]


def _reason(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str:
    """Return the reason why a trial failed."""
    if trial.state != TrialState.FAIL or "reason" in trial.user_attrs:
        return one_line(trial.user_attrs.get("reason", ""))
    again = [other.number for other in trials if trial.number in other.system_attrs.get("retry_history", [])]
    return f"interrupted, repeated as {again[0]}" if again else "interrupted"


def _format(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
