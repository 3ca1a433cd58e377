"""Selectors of a comparison: ``suite[/model][/method]``, or the path of a checkpoint or run folder.

``phantom`` selects all scored cells of a suite, ``phantom/custom-PCAM-128px-seed0`` one of its training runs,
``phantom/custom-PCAM-128px`` all its seeds, ``phantom/layercam`` one method on every model,
``phantom/custom-PCAM-128px-seed0/layercam`` one cell. A checkpoint selects the model of the suite
whose records contain the digest of its weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import records
from benchmark.records import Record
from benchmark.suite.paired import is_comparable
from core.errors import BadValueError, DataError, LocusError, UnknownNameError
from core.names import MAIN_PROTOCOL


@dataclass(frozen=True)
class Selection:
    """The cells of a selector: one side of a comparison."""

    selector: str
    """As typed."""
    folder: Path
    """The suite's folder of records and cases."""
    model: str | None
    """Selected model; None: all."""
    method: str | None
    """Selected method; None: all."""
    records: tuple[Record, ...]
    """Its scored records of ``locus`` on the aligned grid, on all images or on a part."""


def resolve(selector: str, results: Path) -> Selection:
    """Return the cells of ``selector``, with its suite in ``results``.

    Raises ``UnknownNameError`` with the nearest suite, model or method, ``BadValueError`` for a checkpoint of several
    suites, and ``DataError`` if a suite has no scored cell or no record has the checkpoint.
    """
    if is_checkpoint(selector):
        return _of_checkpoint(selector, results)
    suite, _, rest = selector.strip("/").partition("/")
    suites = [folder.name for folder in records.suites(results)]
    if suite not in suites:
        raise UnknownNameError("suite", suite, suites, also="the path of a checkpoint or run folder")
    folder = results / suite
    if not (all_records := _comparable_records(folder)):
        reason = f"the suite {suite!r} has no scores of the protocol {MAIN_PROTOCOL!r} in {folder}"
        raise DataError(f"{reason}: run it first")
    return _select(selector, folder, all_records, *_parts(suite, rest, all_records))


def resolve_first(selector: str, homes: Sequence[Path]) -> Selection:
    """Return the cells of ``selector`` in the first of the results folders ``homes`` that has them.

    If none has them, raises the error of ``resolve`` for the first.
    """
    errors: list[LocusError] = []
    for home in homes:
        try:
            return resolve(selector, home)
        except LocusError as error:
            errors.append(error)
    raise errors[0]


def _comparable_records(folder: Path) -> list[Record]:
    return [record for record in records.load(folder) if is_comparable(record)]


def _parts(suite: str, rest: str, all_records: Sequence[Record]) -> tuple[str | None, str | None]:
    """Split the rest of a selector into model and method; a method may contain slashes, ``path/to/file.py:Class``."""
    models = sorted({name for r in all_records for name in (r.cell.model_id, r.cell.model_of_any_seed)})
    methods = sorted({r.cell.method for r in all_records})
    if rest in (*models, ""):
        return rest or None, None
    if rest in methods:
        return None, rest
    model, _, method = rest.partition("/")
    if model not in models:
        raise UnknownNameError(f"model or method of the suite {suite!r}:", model, [*models, *methods])
    on_model = sorted({r.cell.method for r in all_records if model in (r.cell.model_id, r.cell.model_of_any_seed)})
    if method not in on_model:
        raise UnknownNameError(f"method of {suite}/{model}:", method, on_model)
    return model, method


def _select(
    selector: str, folder: Path, all_records: Sequence[Record], model: str | None, method: str | None
) -> Selection:
    of_model = (r for r in all_records if model in (None, r.cell.model_id, r.cell.model_of_any_seed))
    selected = (r for r in of_model if method in (None, r.cell.method))
    return Selection(selector, folder, model, method, tuple(selected))


def model_of(record: Record, named: str | None) -> str:
    """Return the model of a record in a comparison: the training run ``named`` in its selector, else all its seeds."""
    return record.cell.model_id if named == record.cell.model_id else record.cell.model_of_any_seed


def is_checkpoint(selector: str) -> bool:
    """Return whether a selector is the path of a checkpoint or of a run folder with one.

    >>> is_checkpoint("phantom//cam")
    False
    """
    path = Path(selector)
    return path.is_file() or (path / "best.ckpt").is_file()


def _of_checkpoint(selector: str, results: Path) -> Selection:
    """Select by checkpoint; if several suites share a training run, the one named in the path is used."""
    from benchmark.training import load  # imports torch

    digest = load.checkpoint(selector).digest
    comparable = {folder: _comparable_records(folder) for folder in records.suites(results)}
    models = {(folder, r.cell.model_id) for folder in comparable for r in comparable[folder] if digest in r.checkpoints}
    named = {pair for pair in models if pair[0].name in Path(selector).resolve().parts} or models
    words = sorted(f"{folder.name}/{model}" for folder, model in named)
    if not words:
        raise DataError(
            f"no record in {results} was made with the checkpoint {selector} (digest {digest}): "
            "use a checkpoint of a suite that has run"
        )
    if len(words) > 1:
        advice = f"use one of {', '.join(words)}"
        raise BadValueError(f"{selector} belongs to several suites or models: {advice}")
    folder, model = named.pop()
    return _select(selector, folder, comparable[folder], model, None)
