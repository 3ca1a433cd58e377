"""The trials of a search as tables."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import tabulate
from optuna.trial import FrozenTrial, TrialState

from benchmark.search.plan import Plan
from core.files import csv_cell

STATES = {
    TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed",
    TrialState.RUNNING: "running", TrialState.WAITING: "waiting",
}  # fmt: skip


def original_trial_number(trial: FrozenTrial) -> int:
    """The number of the trial that this one tries again, or its own."""
    return int(trial.system_attrs.get("failed_trial", trial.number))


def as_typed(values: Mapping[str, Any]) -> str:
    """Flags as a user types them.

    >>> as_typed({"lr": 0.01, "optimizer": "Adam"})
    '--lr 0.01 --optimizer Adam'
    """
    return " ".join(f"--{name} {_shown(value)}" for name, value in values.items())


def csv_of(trials: Sequence[FrozenTrial], names: Sequence[str]) -> str:
    """One row per trial: state, value, epochs, the values tried, why it failed, the folder of its run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "value", "epochs", *names, "reason", "run"])
    for trial in trials:
        cells = [*_row(trial, names), _reason(trial, trials), f"trial-{original_trial_number(trial):04d}"]
        writer.writerow(map(csv_cell, cells))
    return text.getvalue()


def markdown(trials: Sequence[FrozenTrial], plan: Plan) -> str:
    """The same for reading, the best trial first."""
    counts = {word: sum(trial.state == state for trial in trials) for state, word in STATES.items()}
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    sign = -1 if plan.direction == "maximize" else 1
    ordered = sorted(trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0), trial.number))
    words = ([*_row(trial, list(plan.space)), _reason(trial, trials)] for trial in ordered)
    rows = [[_shown(cell).replace("|", r"\|") for cell in row] for row in words]
    head = ["trial", "state", plan.metric, "epochs", *plan.space, "reason"]
    body = tabulate.tabulate(rows, head, tablefmt="github", disable_numparse=True)
    return (
        f"# {plan.study}\n\n{summary or 'no trial yet'}; {plan.direction} {plan.metric} of the best epoch.\n\n{body}\n"
    )


def _row(trial: FrozenTrial, names: Sequence[str]) -> list[Any]:
    last = trial.intermediate_values.get(max(trial.intermediate_values, default=0))
    value = trial.value if trial.state == TrialState.COMPLETE else last
    tried = [trial.params.get(name) for name in names]
    return [trial.number, STATES[trial.state], value, len(trial.intermediate_values), *tried]


def _reason(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str:
    """Why a trial failed."""
    if trial.state != TrialState.FAIL or "reason" in trial.user_attrs:
        return " ".join(str(trial.user_attrs.get("reason", "")).split())
    again = [other.number for other in trials if trial.number in other.system_attrs.get("retry_history", [])]
    return f"broke off, tried again as {again[0]}" if again else "broke off"


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
