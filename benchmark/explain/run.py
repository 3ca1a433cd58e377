"""Run methods on the features and gradients of a batch, in parts that fit in memory; methods share the gradients."""

import itertools
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.explain.modes import no_grad_no_autocast
from core.errors import LocusError, one_line
from core.frames import Grid
from core.user_code import ANYTHING
from methods.base import Evidence, Method


@dataclass(frozen=True, eq=False)
class MethodMaps:
    """The maps of one method for a batch."""

    maps: Tensor
    """(N,K,h,w) float32."""
    grid: Grid


def run_method(method: Method, evidence: Evidence) -> MethodMaps:
    """Return the maps of one method and their grid; the evidence can be used for other methods.

    Raises ``LocusError`` if the method fails or does not support the model.
    """
    maps = run_methods({method.name: method}, evidence)[method.name]
    if isinstance(maps, LocusError):
        raise maps
    return maps


def run_methods(methods: Mapping[str, Method], evidence: Evidence) -> dict[str, MethodMaps | LocusError]:
    """Return, for each method in order, its maps or its error (``NotAvailableError`` if it is not supported).

    Methods that use gradients run on parts of the batch that fit in memory.
    """
    at_once = {name: method for name, method in methods.items() if "gradients" not in method.needs}
    piecewise = {name: method for name, method in methods.items() if name not in at_once}
    maps: dict[str, dict[int, list[Tensor]]] = {name: {} for name in methods}
    errors: dict[str, LocusError] = {}
    with no_grad_no_autocast():
        parts = ((piecewise, *part) for part in (evidence.parts() if piecewise else ()))
        for group, images, part in itertools.chain([(at_once, slice(0, len(evidence.images)), evidence)], parts):
            for name in [name for name in group if name not in errors]:
                try:
                    maps[name].setdefault(images.start, []).append(_call(methods[name], part))
                except LocusError as error:
                    errors[name] = error
        return {name: errors.get(name) or _joined(method, maps[name], evidence) for name, method in methods.items()}


def _joined(method: Method, maps: Mapping[int, Sequence[Tensor]], evidence: Evidence) -> MethodMaps:
    """Join the maps of all findings of some images, then the images."""
    return MethodMaps(
        torch.cat([torch.cat(list(chunks), 1) for chunks in maps.values()]).float(), method.grid(evidence)
    )


def _call(method: Method, evidence: Evidence) -> Tensor:
    """Return the maps of a method. Raises ``LocusError``, with the line where it failed."""
    try:
        return method(evidence)
    except (LocusError, MemoryError):
        raise
    except ANYTHING as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise LocusError(
            f"the method {method.name!r} failed: {type(error).__name__}: {one_line(error)} "
            f"({line.filename}, line {line.lineno}); "
            f"to test it step by step, run `python -m benchmark.check method {method.name}`"
        ) from error
