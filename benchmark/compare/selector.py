"""What one side of a comparison is called: ``suite[/model][/method]``, or the path of a checkpoint or run folder.

``phantom`` is all that a suite has scored, ``phantom/custom-PCAM-128px-seed0`` one of its models, ``phantom/layercam``
one method on every model, ``phantom/custom-PCAM-128px-seed0/layercam`` one cell. A checkpoint is the model of the suite
whose records state the digest of its weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import records
from benchmark.records import Record
from core.errors import BadValueError, DataError, UnknownNameError
from core.names import BOARD


@dataclass(frozen=True)
class Side:
    """The cells that an address names."""

    address: str
    """As typed."""
    place: Path
    """The suite's folder of records and cases."""
    model: str | None
    """Model that the address names; None: every one."""
    method: str | None
    """Method that it names; None: every one."""
    records: tuple[Record, ...]
    """Its scored records of ``locus`` on the aligned grid, on all images or on a part."""


def resolve(address: str, results: Path) -> Side:
    """The side behind ``address``, its suite below ``results``.

    Raises ``UnknownNameError`` with the nearest suite, model or method, ``BadValueError`` for a checkpoint of several
    suites, ``DataError`` where a suite has no scored cell or no record knows a checkpoint.
    """
    if is_checkpoint(address):
        return _of_checkpoint(address, results)
    suite, _, rest = address.strip("/").partition("/")
    known = suites(results)
    if suite not in known:
        raise UnknownNameError("suite", suite, known, also="the path of a checkpoint or run folder")
    every = scored(results / suite)
    return _side(address, results / suite, every, *_parts(suite, rest, every))


def suites(results: Path) -> list[str]:
    """Names of the suites with records below ``results``."""
    return [folder.name for folder in records.suites(results)]


def scored(place: Path) -> list[Record]:
    """The records of a suite that can be compared. Raises ``DataError`` where there are none."""
    if own := _cells(place):
        return own
    raise DataError(
        f"the suite {place.name!r} has no scored cell of the protocol {BOARD!r} below {place}: run it first"
    )


def _cells(place: Path) -> list[Record]:
    every = (r for r in records.load(place) if r.scores and r.source == "run")
    return [r for r in every if r.cell.protocol == BOARD and r.cell.alignment == "aligned"]


def _parts(suite: str, rest: str, every: Sequence[Record]) -> tuple[str | None, str | None]:
    """Model and method that the rest of an address names.

    A method's word may hold slashes (``path/to/file.py:Class``).
    """
    models, methods = (sorted({getattr(r.cell, name) for r in every}) for name in ("model_id", "method"))
    if rest in (*models, ""):
        return rest or None, None
    if rest in methods:
        return None, rest
    model, _, method = rest.partition("/")
    if model not in models:
        raise UnknownNameError(f"model or method of the suite {suite!r}:", model, [*models, *methods])
    own = sorted({r.cell.method for r in every if r.cell.model_id == model})
    if method not in own:
        raise UnknownNameError(f"method of {suite}/{model}:", method, own)
    return model, method


def _side(address: str, place: Path, every: Sequence[Record], model: str | None, method: str | None) -> Side:
    own = (r for r in every if model in (None, r.cell.model_id) and method in (None, r.cell.method))
    return Side(address, place, model, method, tuple(own))


def is_checkpoint(address: str) -> bool:
    """Whether an address is the path of a checkpoint or of a run folder with one."""
    path = Path(address)
    return path.is_file() or (path / "best.ckpt").is_file()


def _of_checkpoint(address: str, results: Path) -> Side:
    """Where several suites share a training, the one whose name is in the path is meant."""
    from benchmark.maps.trained import digest_of  # torch, for this alone

    digest = digest_of(Path(address))
    places = [results / suite for suite in suites(results)]
    found = {(place, r.cell.model_id) for place in places for r in _cells(place) if digest in r.checkpoints}
    named = {pair for pair in found if pair[0].name in Path(address).resolve().parts} or found
    words = sorted(f"{place.name}/{model}" for place, model in named)
    if not words:
        raise DataError(
            f"no record below {results} states the weights of {address} "
            f"(digest {digest}): it is part of no suite that ran"
        )
    if len(words) > 1:
        raise BadValueError(
            f"the weights of {address} are part of several suites or models: write one of {', '.join(words)}"
        )
    place, model = named.pop()
    return _side(address, place, scored(place), model, None)
