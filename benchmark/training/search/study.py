"""Hyperparameter search with Optuna: one trial after another, in a storage from which a killed search resumes."""

import contextlib
import logging
import time
import warnings
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from benchmark.training import runs
from benchmark.training.listing import load_split
from benchmark.training.search.plan import Plan, merge_flags, read, trial_config
from benchmark.training.search.trial import csv_of, markdown, objective, original_trial_number, retry
from config import TrainConfig
from core import seeds
from core.errors import BadValueError, DataError, LocusError, one_line
from core.files import write_text, writing
from core.flags import DATA, MACHINE, WEIGHTS, flags_with

log = logging.getLogger(__name__)
FIXED = flags_with(TrainConfig, WEIGHTS) - flags_with(TrainConfig, MACHINE)
"""Flags that must be the same when a search is resumed."""
MISSED_HEARTBEATS = 3
"""Missed heartbeats after which a trial counts as dead."""


def search(config: TrainConfig, explicit_flags: Set[str]) -> Path:
    """Run or resume the search of ``config.search`` and return its folder: see ``benchmark.training.search.run``.

    ``explicit_flags``: names of the flags on the command line, which override those of the plan.
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
    seed = int(seeds.generator(plan.seed, "trial", number).integers(2**32))
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
