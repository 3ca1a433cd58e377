"""The search space of a flag, a range of numbers or a list of values, held against the flag's type and limits."""

from typing import Any, get_args, get_type_hints

import optuna
import pydantic

from config import TrainConfig
from core import cli
from core.errors import BadValueError


class Span(pydantic.BaseModel):
    """A range of numbers, its ends among them."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float
    log: bool = False
    """Whether the logarithm is drawn evenly, not the number."""
    step: float | None = None
    """Distance between two numbers that may be drawn; none: any."""


def check(name: str, values: Span | list[Any]) -> None:
    """Raise ``BadValueError`` (or the flag's own error) unless the flag ``name`` takes all these ``values``.

    >>> check("optimizer", ["Adam", "SGD"])
    >>> check("lr", Span(low=1e-4, high=1e-2, log=True))
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
