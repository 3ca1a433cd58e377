"""Methods over evidence: parts of a batch that fit in memory, each part's gradients once for all methods."""

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.engine.quiet import plain
from core.errors import LocusError, NotAvailableError
from core.frames import Grid
from core.registry import BROKEN
from methods.base import Evidence, Method


@dataclass(frozen=True, eq=False)
class Explained:
    """The maps of one method for a batch."""

    maps: Tensor
    """(N,K,h,w) float32."""
    grid: Grid


def one(method: Method, evidence: Evidence) -> Explained:
    """Maps of one method and their grid. Raises ``NotAvailableError`` where it has no answer for this model."""
    found = several({method.name: method}, evidence)[method.name]
    if isinstance(found, NotAvailableError):
        raise found
    return found


def several(parts: Mapping[str, Method], evidence: Evidence) -> dict[str, Explained | NotAvailableError]:
    """Word -> maps and grid of each method, or the reason why it has no answer for this model."""
    piecewise = {word: method for word, method in parts.items() if "gradients" in method.needs}
    found: dict[str, Explained | NotAvailableError] = {}
    with plain():
        for word in parts.keys() - piecewise.keys():
            try:
                found[word] = _explained(parts[word], [_ask(parts[word], evidence)], evidence)
            except NotAvailableError as error:
                found[word] = error
        found.update(_piecewise(piecewise, evidence))
    return {word: found[word] for word in parts}


def _piecewise(parts: Mapping[str, Method], evidence: Evidence) -> dict[str, Explained | NotAvailableError]:
    """Part by part of the batch, all methods: so a part's gradients are made once and then forgotten."""
    rows: dict[str, dict[int, list[Tensor]]] = {word: {} for word in parts}
    failed: dict[str, Explained | NotAvailableError] = {}
    for place, part in evidence.engine.parts(evidence) if parts else ():
        for word, method in parts.items():
            try:
                rows[word].setdefault(place.start, []).append(_ask(method, part))
            except NotAvailableError as error:
                failed[word] = error
    made = {word: [torch.cat(pieces, 1) for pieces in rows[word].values()] for word in parts if word not in failed}
    return failed | {word: _explained(parts[word], pieces, evidence) for word, pieces in made.items()}


def _ask(method: Method, evidence: Evidence) -> Tensor:
    """The method's maps. Raises ``LocusError`` with the place where somebody's method broke."""
    try:
        return method(evidence)
    except BROKEN as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = " ".join(str(error).split())
        raise LocusError(
            f"the method {method.name!r} broke: {type(error).__name__}: {reason} ({place.filename}, line {place.lineno}); "
            f"`python -m benchmark.check method {method.name}` asks it one question at a time"
        ) from error


def _explained(method: Method, pieces: Iterable[Tensor], evidence: Evidence) -> Explained:
    return Explained(torch.cat(list(pieces)).float(), method.grid(evidence))
