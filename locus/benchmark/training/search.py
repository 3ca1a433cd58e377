"""Hyperparameter search with Optuna: each trial is a training run, and the best flags are saved.

``Plan``, ``read``  the YAML file of a search, read and checked
``trial_config``    the flags of a trial
``objective``       a trial: it reports its value after each epoch, and may stop early or fail
``csv_of``, ``markdown``  tables of the trials
``run``             one trial after another, in a storage from which a killed search resumes

A trial is trained by ``locus.benchmark.training.run``.
"""

import contextlib
import logging
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import pydantic
import tabulate
from lightning.pytorch import Callback, LightningModule, Trainer

from locus.benchmark.training import machine, runs
from locus.benchmark.training.listing import load_split
from locus.benchmark.training.module import ClassifierModule
from locus.benchmark.training.run import train
from locus.config import DATA, MACHINE, MODE, WEIGHTS, TrainConfig, flags_with
from locus.core import cli, types
from locus.core.errors import BadValueError, DataError, LocusError, NotAvailableError, first_problem, hint, one_line
from locus.core.files import csv_text, markdown_cell, write_text, writing

try:
    import optuna
    from optuna.trial import FrozenTrial, TrialState
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise NotAvailableError("--search requires Optuna: pip install '.[search]'") from None

log = logging.getLogger(__name__)
RETRIES = 2
with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES, inherit_intermediate_values=True)
"""Puts an interrupted trial first in the queue; its run resumes from last.ckpt."""
STATES = {state: state.name.lower() for state in TrialState} | {TrialState.FAIL: "failed"}

FLAGS = flags_with(TrainConfig, ~MODE)
"""Flags of a trial."""

FIXED = flags_with(TrainConfig, WEIGHTS) - flags_with(TrainConfig, MACHINE)
"""Flags that must be the same when a search is resumed."""
MISSED_HEARTBEATS = 3
"""Missed heartbeats after which a trial counts as dead."""


class Span(pydantic.BaseModel):
    """A range of numbers, including both ends."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float
    log: bool = False
    """Whether to draw on a logarithmic scale."""
    step: float | None = None
    """Distance between two allowed numbers; none: any number."""


class Plan(pydantic.BaseModel):
    """One search, as in its YAML file."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    study: Annotated[str, pydantic.Field(pattern=r"^[\w.-]+$")]
    """Name of the study, in the storage and in the folder's name."""
    trials: Annotated[int, pydantic.Field(ge=1)]
    """Number of trials, including those before an interruption."""
    metric: Literal["val_auroc", "val_ap", "val_loss"] = "val_auroc"
    """The score of a trial: a column of metrics.csv, at the best epoch so far."""
    direction: Literal["maximize", "minimize"] = "maximize"
    """Whether higher or lower is better."""
    storage: str | None = None
    """SQLite file or SQLAlchemy URL; none: study.db in the folder of the search."""
    sampler: Literal["tpe", "random"] = "tpe"
    """Choice of values: tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), or random."""
    startup_trials: Annotated[int, pydantic.Field(ge=1)] = 10
    """Number of random trials before sampler and median pruner are used."""
    pruner: Literal["median", "hyperband", "none"] = "median"
    """Early stopping of trials by their values per epoch: median, or Hyperband (Li et al., JMLR 2018)."""
    warmup_epochs: Annotated[int, pydantic.Field(ge=0)] = 0
    """Epochs before the median pruner may stop a trial."""
    seed: Annotated[int, pydantic.Field(ge=0)] = 0
    """The same seed gives the same values, even after an interruption."""
    heartbeat: Annotated[int, pydantic.Field(ge=1)] = 20
    """Seconds between two heartbeats of a trial; after three missed ones the trial runs again."""
    flags: dict[str, Any] = {}
    """Flags of main.py that all trials share."""
    space: Annotated[dict[str, Span | list[Any]], pydantic.Field(min_length=1)]
    """Flag -> ``{low: , high: }`` with ``log: true`` or ``step: ``, or a list of values. ``augment.rotation`` sets an
    option of a flag."""

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that a resumed search must not change, as JSON values."""
        return self.model_dump(mode="json", exclude={"trials", "storage", "heartbeat"})


def read(path: Path) -> Plan:
    """Read the search in a YAML file.

    Raises ``DataError`` with the invalid field, ``BadValueError`` for an invalid flag or range.
    """
    content = cli.read_yaml(path)
    try:
        plan = Plan(**content)
    except pydantic.ValidationError as error:
        where, message = first_problem(error)
        raise DataError(f"the search {path}, {where}: {message}; fields: {', '.join(Plan.model_fields)}") from error
    for name in (*plan.flags, *(word.split(".")[0] for word in plan.space)):
        if name not in FLAGS:
            unknown = f"the search {path} has the unknown flag {name!r}"
            raise BadValueError(f"{unknown}: {hint(name, FLAGS)}see python main.py --help")
    if both := sorted(set(plan.flags) & set(plan.space)):
        raise BadValueError(f"the search {path} has {', '.join(both)} in flags and in space: leave one of them out")
    for name, values in plan.space.items():
        check_space(name, values)
    return plan


def merge_flags(plan: Plan, config: TrainConfig, explicit_flags: Set[str]) -> dict[str, Any]:
    """Return the flags that all trials share: those of the plan, overridden by the explicit ones.

    Raises ``BadValueError`` for an explicit flag that is searched.
    """
    explicit = {name: getattr(config, name) for name in explicit_flags}
    if both := sorted(set(explicit) & set(plan.space)):
        raise BadValueError(f"--{both[0]} is part of the search space: leave it out, or remove it from the space")
    return {**plan.flags, **{name: value for name, value in explicit.items() if name in FLAGS}}


def trial_config(fixed_flags: Mapping[str, Any], chosen: Mapping[str, Any]) -> TrainConfig:
    """Return the flags of a trial. Raises ``BadValueError`` or ``UnknownNameError`` for invalid combinations.

    A name with a dot sets an option of a flag.

    >>> trial_config({"dataset": "phantom"}, {"lr": 0.01, "global_pool": "LSE", "global_pool.gamma": 5}).global_pool
    'LSE:gamma=5'
    """
    flags = {**fixed_flags, **{name: value for name, value in chosen.items() if "." not in name}}
    for name, value in chosen.items():
        flag, dot, option = name.partition(".")
        if dot:
            word = str(flags.get(flag, getattr(TrainConfig, flag)))
            flags[flag] = f"{word}{',' if ':' in word else ':'}{option}={value}"
    return cli.build(TrainConfig, {**cli.defaults_of(TrainConfig, flags), **flags})


def check_space(name: str, values: Span | list[Any]) -> None:
    """Raise ``BadValueError`` (or the flag's own error) unless the flag ``name`` accepts all ``values``.

    >>> check_space("optimizer", ["Adam", "SGD"])
    >>> check_space("lr", Span(low=1e-4, high=1e-2, log=True))
    """
    if isinstance(values, Span):
        _check_span(name, values)
        ends: list[Any] = [int(end) if _is_whole(name) else end for end in (values.low, values.high)]
    else:
        if not values or any(not isinstance(value, bool | int | float | str | None) for value in values):
            raise BadValueError(f"the space of {name} is {values}: use a list of numbers, names, True, False or null")
        ends = values
    for value in ends if "." not in name else []:
        cli.build(TrainConfig, {name: value})


def suggest(trial: optuna.Trial, name: str, values: Span | list[Any]) -> Any:
    """Return a value from a list or range, chosen by Optuna's sampler; whole numbers for an integer flag."""
    if isinstance(values, list):
        return trial.suggest_categorical(name, values)
    if _is_whole(name):
        return trial.suggest_int(name, int(values.low), int(values.high), step=int(values.step or 1), log=values.log)
    return trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def _check_span(name: str, span: Span) -> None:
    """Raise if the limits of a range of values do not suit the flag ``name``."""
    if not {int, float} & _types(name):
        raise BadValueError(f"--{name} does not accept numbers: write the space of {name} as a list of values")
    prefix = f"the space of {name} has low {span.low:g}, high {span.high:g}"
    if not span.low < span.high:
        raise BadValueError(f"{prefix}: low must be below high")
    if span.log and (span.low <= 0 or span.step is not None):
        raise BadValueError(f"{prefix} and log: log requires low above 0 and no step")
    if span.step is not None and not 0 < span.step <= span.high - span.low:
        raise BadValueError(f"{prefix}, step {span.step:g}: the step must be above 0 and at most high - low")
    if _is_whole(name) and any(not float(end).is_integer() for end in (span.low, span.high, span.step or 1)):
        raise BadValueError(f"{prefix}, but --{name} requires whole numbers: use low, high and step as whole numbers")


def _is_whole(name: str) -> bool:
    return float not in _types(name)


def _types(name: str) -> set[Any]:
    """Return the types that a flag accepts; an option of a flag accepts any number."""
    taken = get_type_hints(TrainConfig)[name.split(".")[0]]
    types = set(get_args(taken) or (taken,))
    if "." in name and str not in types:
        raise BadValueError(f"the search space contains {name}, but --{name.split('.')[0]} does not accept options")
    return {float} if "." in name else types


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
    return csv_text(rows)


def markdown(trials: Sequence[FrozenTrial], plan: Plan) -> str:
    """Return the trials as a Markdown table, best first."""
    counts = {word: sum(trial.state == state for trial in trials) for state, word in STATES.items()}
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    sign = -1 if plan.direction == "maximize" else 1
    ordered = sorted(trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0), trial.number))
    words = ([*_row(trial, list(plan.space)), _reason(trial, trials)] for trial in ordered)
    rows = [[markdown_cell(_format(cell)) for cell in row] for row in words]
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


def run(config: TrainConfig, explicit_flags: Set[str]) -> Path:
    """Run or resume the search of ``config.search`` and return its folder.

    All trials use the flags of the command line, whose names are ``explicit_flags``: they override those of the plan.
    The folder contains ``trials.csv`` and ``trials.md``, the best trial as ``config.yaml`` (for ``--config``), and a
    run folder per trial. Raises ``locus.core.errors`` types for an invalid file and if no trial finishes.
    """
    plan = read(Path(str(config.search)))
    fixed_flags = merge_flags(plan, config, explicit_flags)
    _require_data(plan, fixed_flags)
    folder = Path(config.model_save_dir) / f"search-{plan.study}"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _storage(config.search_storage or plan.storage or str(folder / "study.db")) as url:
        study = _study(plan, url)
        _require_same(study, plan, fixed_flags)
        while _run_one(study, plan, fixed_flags, folder):
            _write(study, plan, fixed_flags, folder)
        return _write(study, plan, fixed_flags, folder)


@contextlib.contextmanager
def _storage(location: str) -> Iterator[str]:
    """Yield the URL of the storage at ``location``; turns database errors in the block into ``DataError``."""
    url = location if "://" in location else f"sqlite:///{location}"
    if url != location:
        with writing(location):
            Path(location).parent.mkdir(parents=True, exist_ok=True)
    try:
        yield url
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError) as error:
        reason = one_line(error.__cause__ or error)
        raise DataError(f"the storage {url} cannot be used ({reason}): write another with --search_storage") from error


def _study(plan: Plan, url: str) -> optuna.Study:
    """Load the study from the storage, or create it."""
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        storage = optuna.storages.RDBStorage(
            url,
            heartbeat_interval=plan.heartbeat,
            grace_period=MISSED_HEARTBEATS * plan.heartbeat,
            heartbeat_stale_trial_callback=retry,
        )
    named: dict[str, Any] = {"study_name": plan.study, "direction": plan.direction, "load_if_exists": True}
    return optuna.create_study(storage=storage, pruner=_pruner(plan), **named)


def _pruner(plan: Plan) -> optuna.pruners.BasePruner:
    if plan.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner()
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner(plan.startup_trials, plan.warmup_epochs)
    return optuna.pruners.NopPruner()


def _require_data(plan: Plan, fixed_flags: Mapping[str, Any]) -> None:
    """Raise errors that would end all trials: invalid shared flags, missing data."""
    if not {word.split(".")[0] for word in plan.space} & flags_with(TrainConfig, DATA):
        config = trial_config(fixed_flags, {})
        for split in ("train", "val"):
            load_split(config, split)


def _require_same(study: optuna.Study, plan: Plan, fixed_flags: Mapping[str, Any]) -> None:
    """Raise ``BadValueError`` if the storage has another search of this name."""
    fixed = {name: value for name, value in fixed_flags.items() if name in FIXED}
    settings = {**plan.identity, "flags": fixed}
    begun = study.user_attrs.get("search")
    if begun is None:
        study.set_user_attr("search", settings)
        return
    old, new = _by_flag(begun), _by_flag(settings)
    if other := sorted(name for name in {*old, *new} if old.get(name) != new.get(name)):
        differing = f"the study {plan.study!r} in this storage has different values of {', '.join(other)}"
        raise BadValueError(f"{differing}: use another name for study")


def _by_flag(search: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that must be the same: those of the search, and ``--name`` -> value of the shared flags."""
    flags = {f"--{name}": value for name, value in search["flags"].items() if name in FIXED}
    return {name: value for name, value in search.items() if name != "flags"} | flags


def _run_one(study: optuna.Study, plan: Plan, fixed_flags: Mapping[str, Any], folder: Path) -> bool:
    """Run the next trial, or wait for trials of other processes; return False if there are none."""
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        optuna.storages.fail_stale_trials(study)
        started_trials = set(map(original_trial_number, study.trials))
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if len(started_trials) < plan.trials or waiting:
            study.sampler = _sampler(plan, len(started_trials))
            study.optimize(lambda trial: objective(trial, plan, fixed_flags, folder), n_trials=1, catch=(LocusError,))
            return True
    if study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        log.info("waiting for a trial of another process; if that process was killed, the trial runs again")
        time.sleep(plan.heartbeat)
        return True
    return False


def _sampler(plan: Plan, number: int) -> optuna.samplers.BaseSampler:
    """Return a new sampler for a trial, so that interruptions do not change the chosen values."""
    seed = int(types.generator(plan.seed, "trial", number).integers(2**32))
    if plan.sampler == "random":
        return optuna.samplers.RandomSampler(seed)
    return optuna.samplers.TPESampler(n_startup_trials=plan.startup_trials, seed=seed)


def _write(study: optuna.Study, plan: Plan, fixed_flags: Mapping[str, Any], folder: Path) -> Path:
    """Write the tables and the flags of the best trial; return the folder. Raises if all trials failed."""
    trials = study.get_trials(deepcopy=False)
    write_text(folder / "trials.csv", csv_of(trials, list(plan.space)))
    write_text(folder / "trials.md", markdown(trials, plan))
    states = {trial.state for trial in trials}
    if TrialState.COMPLETE in states:
        runs.write_config(trial_config(fixed_flags, study.best_trial.params), folder)
    elif TrialState.PRUNED not in states and len(set(map(original_trial_number, trials))) >= plan.trials:
        reasons = (trial.user_attrs["reason"] for trial in trials if "reason" in trial.user_attrs)
        none = f"none of {plan.trials} trials finished ({next(reasons, 'they were killed')}; see {folder}/trials.md)"
        raise LocusError(f"{none}: fix this and write another name for study")
    return folder
