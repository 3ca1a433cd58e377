"""The cells of one model, from training to records: each stage starts from what the one before left on disk."""

import datetime
import logging
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark import protocols, records, stages
from benchmark.classification import classification
from benchmark.maps import StoredMaps
from benchmark.plan import ModelPlan
from benchmark.protocols.base import Result
from benchmark.records import Cell, Record
from benchmark.records.cases import write as write_cases
from benchmark.trained import Trained, drawn
from config import EngineFlags
from core.errors import LocusError, NotAvailableError

log = logging.getLogger(__name__)


def run(model: ModelPlan, cells: Sequence[Cell], runs: Path, place: Path, flags: EngineFlags) -> None:
    """Train ``model`` below ``runs`` where needed, explain, and write a record below ``place`` for each of ``cells``.

    A method that breaks fails its own cells only.
    """
    trained = stages.train(model, runs)
    words = list(dict.fromkeys(cell.method for cell in cells if cell.protocol != "classification"))
    maps = stages.explain(trained, words, runs / "maps" / model.id, flags, model.slow_images) if words else {}
    common = _common(trained)
    for cell in cells:
        start = time.perf_counter()
        fields, rows = _score(cell, trained, maps)
        seconds = round(time.perf_counter() - start, 3)
        record = Record(cell=cell, seconds=seconds, rests_on=_rests_on(trained, cell), **{**common, **fields})
        if rows:
            write_cases(rows, runs / "cases" / f"{records.path(place, cell).stem}.parquet")
        records.write(record, place)
    log.info("%s: %d records written", model.id, len(cells))


def _score(cell: Cell, trained: Sequence[Trained], maps: dict[str, StoredMaps | LocusError]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The fields of a record that the cell's protocol decides, and its rows per case."""
    findings = trained[0].data.findings
    if cell.protocol == "classification":
        exclusive = trained[0].config.exclusive(len(findings))
        return _fields(classification(stages.predictions(trained), findings, exclusive), "none")
    stored = maps[cell.method]
    if isinstance(stored, LocusError):
        return {"status": "n/a" if isinstance(stored, NotAvailableError) else "failed", "reason": str(stored)}, []
    protocol = protocols.get(cell.protocol)()
    result = protocol.evaluate(stages.cases(trained, stored, cell.alignment, cell.images), findings, cell.seed or 0)
    return _fields(result, protocol.geometry)


def _fields(result: Result, geometry: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    remark = f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}" if result.failed else ""
    fields = {
        "status": "failed" if result.failed else "ok",
        "reason": remark,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
    }
    return fields, result.rows


def _common(trained: Sequence[Trained]) -> dict[str, Any]:
    """The fields that all records of a model share."""
    return {
        "checkpoints": tuple(run.digest for run in trained),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "timm", "numpy", "numba")}},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": trained[0].data.describe,
    }


def _rests_on(trained: Sequence[Trained], cell: Cell) -> dict[str, int]:
    """What is counted in a cell; ``explained images`` where they are only some of the boxed ones."""
    samples = drawn(trained, cell.images)
    return {
        "trainings": len(trained),
        "test images": sum(len(run.data) for run in trained),
        "boxed images": sum(len(run.cases) for run in trained),
        **({"explained images": len(samples)} if cell.images is not None else {}),
        "patients": len({sample.patient_id for sample in samples}),
        "cases": sum(len(sample.boxes) for sample in samples),
        "truth boxes": sum(len(boxes) for sample in samples for boxes in sample.boxes.values()),
    }
