"""Score and record the cells of a model."""

import datetime
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

import methods
from benchmark import records
from benchmark.maps.trained import TrainingRun, select_samples
from benchmark.records import Cell, Record
from benchmark.records.cases import write as write_cases
from benchmark.records.provenance import join
from benchmark.suite import readers, second_readers
from benchmark.suite.explain import explain_model
from benchmark.suite.plan import ModelPlan
from benchmark.suite.scorers import Scored, score_classifier, score_maps, score_result
from benchmark.suite.selection import ModelJob
from benchmark.suite.training_runs import finished
from benchmark.training import machine, provenance
from benchmark.validity.base import Check
from config import EngineFlags, RunConfig
from core.names import CHECKS, CHOICE, CLASSIFICATION, CLASSIFIER, MAIN_PROTOCOL, READERS, SECOND_READERS
from core.user_code import runs_code
from datasets.lungs import lung_reader

log = logging.getLogger(__name__)
LIBRARIES = ("torch", "timm", "numpy", "numba")
PEOPLE = {READERS: readers.evaluate, SECOND_READERS: second_readers.evaluate}


def score(job: ModelJob, runs_dir: Path, folder: Path, flags: RunConfig) -> None:
    """Write a record below ``folder`` for each cell of ``job``; the training runs must be finished.

    Maps that are missing below ``runs_dir`` are generated first. If a method fails, only its cells are affected.
    """
    machine.configure_torch(job.model.trainings[0].threads or flags.threads)
    score_and_record(job, finished(job.model, runs_dir), runs_dir, folder, flags)


def score_and_record(
    job: ModelJob,
    trained: Sequence[TrainingRun],
    runs_dir: Path,
    folder: Path,
    flags: EngineFlags,
    bar: bool | None = None,
) -> None:
    """Write a record below ``folder`` for each cell of ``job``, with the networks and images of ``trained``.

    Maps that are missing below ``runs_dir`` are generated first. ``bar``: show progress; None: only on a terminal.
    """
    in_order = sorted(job.cells, key=lambda cell: (cell.method, cell.alignment))  # to create the cases once per method
    hidden, about = None if bar is None else not bar, job.model.id
    with tqdm(in_order, desc=f"explain {about}", unit="cell", leave=False, disable=hidden) as cell_bar:
        score_cell = make_score_function(job.model, job.cells, trained, runs_dir, flags)
        shared = _shared_fields(trained)
        cell_bar.set_description(f"score {about}")
        for cell in cell_bar:
            start = time.perf_counter()
            fields, rows = score_cell(cell)
            seconds = round(time.perf_counter() - start, 3)
            if rows:
                write_cases(rows, cell, folder)
            # a method from a user's file is recorded by its own name
            name = str(methods.get(cell.method).name) if runs_code(cell.method) else ""
            records.write(Record(cell=cell, seconds=seconds, method_name=name, **shared, **fields), folder)
    log.info("%s: %d records written", job.model.id, len(job.cells))


def make_score_function(
    model: ModelPlan, cells: Sequence[Cell], trained: Sequence[TrainingRun], runs_dir: Path, flags: EngineFlags | None
) -> Callable[[Cell], Scored]:
    """Return a function that scores any of ``cells`` from stored maps and predictions.

    Missing maps are generated first, for all cells at once. Without ``flags``, no map is generated and no network
    loaded; a cell without maps raises ``NoMapsError``.
    """
    checks: dict[str, Check] = {}
    for name in dict.fromkeys(cell.protocol for cell in cells if cell.protocol in CHECKS.names()):
        of_check = [cell for cell in cells if cell.protocol == name and cell.method != CLASSIFIER]
        words, images = dict.fromkeys(cell.method for cell in of_check), next((cell.images for cell in of_check), None)
        checks[name] = CHECKS.get(name)(trained, list(words), model.maps_folder(runs_dir), flags, images)
    with_maps = (c for c in cells if c.protocol not in (CLASSIFICATION, *checks) and c.method not in PEOPLE)
    store = explain_model(model, trained, list(dict.fromkeys(cell.method for cell in with_maps)), runs_dir, flags)

    def score_cell(cell: Cell) -> Scored:
        settings: Mapping[str, str] = {}
        if cell.protocol == CLASSIFICATION:
            fields, rows = score_classifier(store)
        elif cell.protocol in checks:
            check, settings = checks[cell.protocol], checks[cell.protocol].settings
            fields, rows = score_result(lambda: check.evaluate(cell.method, cell.data_seed), check.geometry)
        elif cell.method in PEOPLE:
            arguments = trained, store.findings, cell.data_seed, cell.images
            fields, rows = score_result(lambda: PEOPLE[cell.method](*arguments), "none")
        else:
            fields, rows = score_maps(store, cell, MAIN_PROTOCOL if cell.protocol == CHOICE else cell.protocol)
        return {**fields, "rests_on": {**sample_counts(trained, cell), **settings}}, rows

    return score_cell


def sample_counts(trained: Sequence[TrainingRun], cell: Cell) -> dict[str, int]:
    """Return the numbers of training runs, images, patients, cases and boxes of a cell.

    ``explained images`` is included if these are only a part of the boxed images.
    """
    samples = select_samples(trained, cell.images)
    lungs = sum(lung_reader(sample) is not None for sample in samples)
    return {
        "trainings": len(trained),
        "test images": sum(len(run.data) for run in trained),
        "boxed images": sum(bool(sample.boxes) for run in trained for sample in run.scorable_images),
        **({"images with lungs": lungs} if lungs else {}),
        **({"explained images": len(samples)} if cell.images is not None else {}),
        "patients": len({sample.patient_id for sample in samples}),
        "cases": sum(len(sample.boxes) for sample in samples),
        "truth boxes": sum(len(boxes) for sample in samples for boxes in sample.boxes.values()),
    }


def _shared_fields(trained: Sequence[TrainingRun]) -> dict[str, Any]:
    """Return the fields that all records of a model share: weights, versions, provenance, description of the data."""
    return {
        "checkpoints": tuple(run.digest for run in trained),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "training": join([provenance.read(run.folder) for run in trained]),
        "scoring": provenance.of_scoring(),
        "fingerprint": provenance.fingerprint(sample for run in trained for sample in run.data),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": trained[0].data.describe,
    }
