"""Run methods on the features and gradients of a batch, in parts that fit in memory; methods share the gradients."""

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
    """Return the maps of one method and their grid. Raises ``LocusError`` if it does not support this model, or fails.

    The evidence is not changed and can be used for other methods.
    """
    maps = run_methods({method.name: method}, evidence)[method.name]
    if isinstance(maps, LocusError):
        raise maps
    return maps


def run_methods(methods: Mapping[str, Method], evidence: Evidence) -> dict[str, MethodMaps | LocusError]:
    """Return the maps of each method, in their order, or its error (``NotAvailableError`` if it is not supported).

    Methods that use gradients run on parts of the batch that fit in memory.
    """
    piecewise = {name: method for name, method in methods.items() if "gradients" in method.needs}
    with no_grad_no_autocast():
        at_once = {name: method for name, method in methods.items() if name not in piecewise}
        maps = {name: _explained(method, [_call(method, evidence)], evidence) for name, method in at_once.items()}
        maps |= _piecewise(piecewise, evidence)
    return {name: maps[name] for name in methods}


def _piecewise(methods: Mapping[str, Method], evidence: Evidence) -> dict[str, MethodMaps | LocusError]:
    """Run all methods part by part, so that the gradients of a part are computed once and then freed."""
    rows: dict[str, dict[int, list[Tensor | LocusError]]] = {name: {} for name in methods}
    for images, part in evidence.parts() if methods else ():
        for name, method in methods.items():
            rows[name].setdefault(images.start, []).append(_call(method, part))
    joined = {name: [_joined(pieces, 1) for pieces in rows[name].values()] for name in methods}
    return {name: _explained(method, joined[name], evidence) for name, method in methods.items()}


def _joined(pieces: Sequence[Tensor | LocusError], axis: int) -> Tensor | LocusError:
    """Concatenate images (axis 0) or findings of the same images (axis 1), or return the first error."""
    error = next((piece for piece in pieces if isinstance(piece, LocusError)), None)
    return error or torch.cat([piece for piece in pieces if isinstance(piece, Tensor)], axis)


def _explained(method: Method, pieces: Sequence[Tensor | LocusError], evidence: Evidence) -> MethodMaps | LocusError:
    maps = _joined(pieces, 0)
    return maps if isinstance(maps, LocusError) else MethodMaps(maps.float(), method.grid(evidence))


def _call(method: Method, evidence: Evidence) -> Tensor | LocusError:
    """Return the maps of a method, or its error with the line where it failed."""
    try:
        return method(evidence)
    except LocusError as error:
        return error
    except MemoryError:
        raise
    except ANYTHING as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        broken = LocusError(
            f"the method {method.name!r} failed: {type(error).__name__}: {one_line(error)} "
            f"({line.filename}, line {line.lineno}); "
            f"to test it step by step, run `python -m benchmark.check method {method.name}`"
        )
        broken.__cause__ = error
        return broken
