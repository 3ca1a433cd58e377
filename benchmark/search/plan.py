"""A search as its YAML states it: its space, held against the flags' types and limits, and the flags of a trial."""

import dataclasses
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import optuna
import pydantic

from config import TrainConfig
from core import cli
from core.errors import BadValueError, DataError, hint

NOT_OF_TRIALS = {"search", "search_storage", "resume", "evaluate"}
FLAGS = frozenset(field.name for field in dataclasses.fields(TrainConfig)) - NOT_OF_TRIALS


class Span(pydantic.BaseModel):
    """A range of numbers, its ends among them."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float
    log: bool = False
    """Whether the logarithm is drawn evenly, not the number."""
    step: float | None = None
    """Distance between two numbers that may be drawn; none: any."""


class Plan(pydantic.BaseModel):
    """One search as its YAML states it."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    study: Annotated[str, pydantic.Field(pattern=r"^[\w.-]+$")]
    """Its name, in the storage and as a folder."""
    trials: Annotated[int, pydantic.Field(ge=1)]
    """How many trials are run, those of an earlier start among them."""
    metric: Literal["val_auroc", "val_ap", "val_loss"] = "val_auroc"
    """What is judged: a column of metrics.csv, that of the best epoch so far."""
    direction: Literal["maximize", "minimize"] = "maximize"
    """Which way is better."""
    storage: str | None = None
    """SQLite file, or a URL of SQLAlchemy's; none: study.db in the search's folder."""
    sampler: Literal["tpe", "random"] = "tpe"
    """How values are chosen: tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), or by chance."""
    startup_trials: Annotated[int, pydantic.Field(ge=1)] = 10
    """Trials by chance before the sampler learns and the median is known."""
    pruner: Literal["median", "hyperband", "none"] = "median"
    """Which trials end early, by the epochs' values: worse than the median, or Hyperband (Li et al., JMLR 2018)."""
    warmup_epochs: Annotated[int, pydantic.Field(ge=0)] = 0
    """Epochs in which the median ends no trial."""
    seed: Annotated[int, pydantic.Field(ge=0)] = 0
    """The same seed tries the same values, interrupted or not."""
    heartbeat: Annotated[int, pydantic.Field(ge=1)] = 20
    """Seconds between two signs of life of a trial; after three missed ones it counts as dead and is tried again."""
    flags: dict[str, Any] = {}
    """Flags of main.py that all trials share."""
    space: Annotated[dict[str, Span | list[Any]], pydantic.Field(min_length=1)]
    """Flag -> ``{low: , high: }`` with ``log: true`` or ``step: ``, or a list of values. ``augment.rotation`` is an
    option of a word."""

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed search must have in common with its start, JSON-able."""
        return self.model_dump(mode="json", exclude={"trials", "storage", "heartbeat"})


def read(path: Path) -> Plan:
    """The search in a YAML file.

    Raises ``DataError`` with the field that is wrong, ``BadValueError`` for a flag or a range.
    """
    content = cli.read_yaml(path)
    try:
        plan = Plan(**content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where, fields = ".".join(map(str, first["loc"][:3])), ", ".join(Plan.model_fields)
        raise DataError(f"the search {path}, {where}: {first['msg']}; fields: {fields}") from error
    for name in (*plan.flags, *(word.split(".")[0] for word in plan.space)):
        if name not in FLAGS:
            unknown = f"the search {path} has the unknown flag {name!r}"
            raise BadValueError(f"{unknown}: {hint(name, FLAGS)}python main.py --help lists all of them")
    if both := sorted(set(plan.flags) & set(plan.space)):
        raise BadValueError(f"the search {path} has {', '.join(both)} in flags and in space: leave one of them out")
    for name, values in plan.space.items():
        check_space(name, values)
    return plan


def merge_flags(plan: Plan, config: TrainConfig, explicit_flags: Set[str]) -> dict[str, Any]:
    """The flags that all trials share: the plan's, under those that the user typed or gave in a file.

    Raises ``BadValueError`` for a flag that is typed and searched.
    """
    explicit = {name: getattr(config, name) for name in explicit_flags}
    if both := sorted(set(explicit) & set(plan.space)):
        raise BadValueError(f"--{both[0]} is what the search looks for: leave it out, or take it out of its space")
    return {**plan.flags, **{name: value for name, value in explicit.items() if name in FLAGS}}


def trial_config(fixed_flags: Mapping[str, Any], chosen: Mapping[str, Any]) -> TrainConfig:
    """The training of a trial. Raises ``BadValueError`` or ``UnknownNameError`` for flags that do not go together.

    A name with a dot is an option in another flag's word.

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
    """Raise ``BadValueError`` (or the flag's own error) unless the flag ``name`` takes all these ``values``.

    >>> check_space("optimizer", ["Adam", "SGD"])
    >>> check_space("lr", Span(low=1e-4, high=1e-2, log=True))
    """
    if isinstance(values, Span):
        _check_span(name, values)
        ends: list[Any] = [int(end) if _is_whole(name) else end for end in (values.low, values.high)]
    else:
        if not values or any(not isinstance(value, bool | int | float | str | None) for value in values):
            raise BadValueError(f"the space of {name} is {values}: write a list of numbers, words, True, False or null")
        ends = values
    for value in ends if "." not in name else []:
        cli.build(TrainConfig, {name: value})


def suggest(trial: optuna.Trial, name: str, values: Span | list[Any]) -> Any:
    """The value of a flag that ``trial`` tries.

    Drawn by Optuna's sampler: one of a list, or a number of the span, whole where the flag is.
    """
    if isinstance(values, list):
        return trial.suggest_categorical(name, values)
    if _is_whole(name):
        return trial.suggest_int(name, int(values.low), int(values.high), step=int(values.step or 1), log=values.log)
    return trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def _check_span(name: str, span: Span) -> None:
    if not {int, float} & _types(name):
        raise BadValueError(f"--{name} takes no numbers: write the space of {name} as a list of values")
    stated = f"the space of {name} has low {span.low:g}, high {span.high:g}"
    if not span.low < span.high:
        raise BadValueError(f"{stated}: low must be below high")
    if span.log and (span.low <= 0 or span.step is not None):
        raise BadValueError(f"{stated}, log: the logarithm needs low above 0 and no step")
    if span.step is not None and not 0 < span.step <= span.high - span.low:
        raise BadValueError(f"{stated}, step {span.step:g}: the step must be above 0 and fit between them")
    if _is_whole(name) and any(not float(end).is_integer() for end in (span.low, span.high, span.step or 1)):
        raise BadValueError(f"{stated}, but --{name} takes whole numbers: write low, high and step as such")


def _is_whole(name: str) -> bool:
    return float not in _types(name)


def _types(name: str) -> set[Any]:
    """What a flag takes; an option within a flag's word takes any number."""
    taken = get_type_hints(TrainConfig)[name.split(".")[0]]
    types = set(get_args(taken) or (taken,))
    if "." in name and str not in types:
        raise BadValueError(f"the space has {name}, but --{name.split('.')[0]} takes no word with options")
    return {float} if "." in name else types
