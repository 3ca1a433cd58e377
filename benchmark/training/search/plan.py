"""Read and check the YAML file of a search, and build the flags of a trial."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import optuna
import pydantic

from config import TrainConfig
from core import cli
from core.errors import BadValueError, DataError, first_problem, hint
from core.flags import MODE, flags_with

FLAGS = flags_with(TrainConfig, ~MODE)
"""Flags of a trial."""


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
