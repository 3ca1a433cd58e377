"""The cells of one model, from training to records: each stage starts from what the one before left on disk."""

import datetime
import logging
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

import methods
from benchmark import protocols, readers, records, stages, strata, validity
from benchmark.classification import classification
from benchmark.plan import ModelPlan
from benchmark.protocols.base import Result
from benchmark.records import Cell, Record
from benchmark.records.cases import write as write_cases
from benchmark.shown import Shown
from benchmark.trained import Trained, drawn
from benchmark.training import provenance
from benchmark.validity.base import Check
from benchmark.words import BOARD, CLASSIFICATION, CLASSIFIER, READERS
from config import EngineFlags
from core.errors import LocusError, NotAvailableError, WriteError
from datasets.lungs import outlined

log = logging.getLogger(__name__)


def run(model: ModelPlan, cells: Sequence[Cell], runs: Path, place: Path, flags: EngineFlags) -> None:
    """Train ``model`` below ``runs`` where needed, explain, and write a record below ``place`` for each of ``cells``.

    A method that breaks fails its own cells only.
    """
    trained = stages.train(model, runs)
    scored, common = scorer(model, cells, trained, runs, flags), _common(trained)
    ordered = sorted(cells, key=lambda cell: (cell.method, cell.alignment))
    for cell in tqdm(ordered, desc=f"score {model.id}", unit="cell", leave=False, disable=None):
        start = time.perf_counter()
        fields, rows = scored(cell)
        seconds = round(time.perf_counter() - start, 3)
        record = Record(cell=cell, seconds=seconds, method_name=_name(cell.method), **{**common, **fields})
        if rows:
            write_cases(rows, cell, place)
        records.write(record, place)
    log.info("%s: %d records written", model.id, len(cells))


Scored = tuple[dict[str, Any], list[dict[str, Any]]]
"""The fields of a record that scoring its cell decides, and its rows per case."""


def scorer(
    model: ModelPlan, cells: Sequence[Cell], trained: Sequence[Trained], runs: Path, flags: EngineFlags | None
) -> Callable[[Cell], Scored]:
    """What scores each of ``cells``, from stored maps and predictions; the maps that are missing are made first, for all at once.

    Without ``flags`` none are made and no model is loaded: a cell that lacks some raises ``stages.NoMapsError``.
    """
    checks = asked(model, cells, trained, runs, flags)
    words = list(dict.fromkeys(cell.method for cell in cells if cell.protocol not in (CLASSIFICATION, *checks) and cell.method != READERS))
    shown = explained(model, trained, words, runs, flags) if words else Shown(trained, {})

    def scored(cell: Cell) -> Scored:
        fields, rows = judged(cell, checks[cell.protocol]) if cell.protocol in checks else score(cell, shown)
        return {"rests_on": _rests_on(trained, cell), **fields}, rows

    return scored


def explained(model: ModelPlan, trained: Sequence[Trained], words: Sequence[str], runs: Path, flags: EngineFlags | None) -> Shown:
    """The maps of the methods in ``words``, made where they are missing; without ``flags`` none are made."""
    folder = runs / "maps" / model.maps
    maps = stages.explain(trained, words, folder, flags, model.slow_images)
    return Shown(trained, maps, *stages.validation(trained, words, folder / "val", flags))


def asked(model: ModelPlan, cells: Sequence[Cell], trained: Sequence[Trained], runs: Path, flags: EngineFlags | None) -> dict[str, Check]:
    """The validity checks among the protocols of ``cells``, ready to be asked about their methods."""
    found = {}
    for name in dict.fromkeys(cell.protocol for cell in cells if validity.is_check(cell.protocol)):
        own = [cell for cell in cells if cell.protocol == name and cell.method != CLASSIFIER]
        words, images = list(dict.fromkeys(cell.method for cell in own)), next((cell.images for cell in own), None)
        found[name] = validity.get(name)(trained, words, runs / "maps" / model.maps, flags, images)
    return found


def judged(cell: Cell, check: Check) -> Scored:
    """What a validity check says of a cell's method."""
    result = _tried(lambda: check.evaluate(cell.method, cell.seed or 0))
    return (_none(result), []) if isinstance(result, LocusError) else (_fields(result, check.geometry), result.rows)


def score(cell: Cell, shown: Shown) -> Scored:
    """What the cell's protocol says of its maps, or the classifier's predictions. No model is needed."""
    if cell.protocol == CLASSIFICATION:
        held_out = shown.predictions[shown.predictions["split"] == "test"]
        return _fields(classification(held_out, shown.findings, shown.exclusive), "none"), []
    if cell.method == READERS:
        agreement = _tried(lambda: readers.evaluate(shown.trained, shown.findings, cell.seed or 0, cell.images))
        return (_none(agreement), []) if isinstance(agreement, LocusError) else (_fields(agreement, "none"), agreement.rows)
    protocol = protocols.get(cell.protocol)()
    cases = _tried(lambda: shown.cases(cell))
    if isinstance(cases, LocusError):
        return _none(cases), []
    seed = cell.seed or 0
    result = protocol.evaluate(cases, shown.findings, seed, shown.validation(cell) if protocol.chooses else [])
    fields = _fields(result, protocol.geometry)
    if cell.protocol == BOARD:
        fields["strata"] = strata.scores(result.rows, shown.groups, shown.findings, seed)
    return fields, [_grouped(row, shown) for row in result.rows]


T = TypeVar("T")


def _tried(ask: Callable[[], T]) -> T | LocusError:
    """What ``ask`` gives, or the error that says why a method has no figure.

    Maps that are not to be made raise ``NoMapsError``, a disk that refuses ``WriteError``: these are no fault of the method.
    """
    try:
        return ask()
    except (stages.NoMapsError, WriteError):
        raise
    except LocusError as error:
        return error


def _none(error: LocusError) -> dict[str, Any]:
    """The fields of a record without a number."""
    return {"status": "n/a" if isinstance(error, NotAvailableError) else "failed", "reason": str(error)}


def _fields(result: Result, geometry: str) -> dict[str, Any]:
    remark = f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}" if result.failed else ""
    return {
        "status": "failed" if result.failed else "ok",
        "reason": remark,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
    }


def _grouped(row: dict[str, Any], shown: Shown) -> dict[str, Any]:
    """A row per case with the groups that the case is in."""
    case = row["image"], row["finding"]
    return {**row, **{variable: known.get(case, "") for variable, known in shown.groups.items()}}


def _name(word: str) -> str:
    """What the method of a file outside the tree calls itself; nothing for a word of the tree."""
    return str(methods.get(word).name) if methods.is_path(word) else ""


def _common(trained: Sequence[Trained]) -> dict[str, Any]:
    """The fields that all records of a model share."""
    return {
        "checkpoints": tuple(run.digest for run in trained),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "timm", "numpy", "numba")}},
        "training": provenance.read(trained[0].folder),
        "scoring": provenance.of_scoring(),
        "fingerprint": provenance.fingerprint(sample for run in trained for sample in run.data),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": trained[0].data.describe,
    }


def _rests_on(trained: Sequence[Trained], cell: Cell) -> dict[str, int]:
    """What is counted in a cell; ``explained images`` where they are only some of the boxed ones."""
    samples = drawn(trained, cell.images)
    lungs = sum(outlined(sample) is not None for sample in samples)
    return {
        "trainings": len(trained),
        "test images": sum(len(run.data) for run in trained),
        "boxed images": sum(bool(sample.boxes) for run in trained for sample in run.cases),
        **({"images with lungs": lungs} if lungs else {}),
        **({"explained images": len(samples)} if cell.images is not None else {}),
        "patients": len({sample.patient_id for sample in samples}),
        "cases": sum(len(sample.boxes) for sample in samples),
        "truth boxes": sum(len(boxes) for sample in samples for boxes in sample.boxes.values()),
    }
