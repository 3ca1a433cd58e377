"""Score and record the cells of a model; the kind of a cell decides how it is scored."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from benchmark.maps.trained import TrainingRun, select_samples
from benchmark.records import Cell
from benchmark.suite import readers, second_readers
from benchmark.suite.explain import explain_model
from benchmark.suite.plan import ModelPlan
from benchmark.suite.record import shared_fields, write_record
from benchmark.suite.scorers import ByCheck, ByClassifier, ByProtocol, ByReaders, Scored, Scorer
from benchmark.suite.selection import ModelJob
from benchmark.suite.train import finished
from benchmark.training import machine
from benchmark.validity.base import Check
from config import EngineFlags, RunConfig
from core.names import CHECKS, CHOICE, CLASSIFICATION, CLASSIFIER, MAIN_PROTOCOL, PEOPLE, READERS, SECOND_READERS
from datasets.lungs import lung_reader

log = logging.getLogger(__name__)


def score(job: ModelJob, runs_dir: Path, folder: Path, flags: RunConfig) -> None:
    """Write a record below ``folder`` for each cell of ``job``, whose training runs must be finished.

    Maps that are missing below ``runs_dir`` are generated first. A failing method only affects its own cells.
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
    in_order = sorted(job.cells, key=lambda cell: (cell.method, cell.alignment))  # a method's cases are made once
    hidden, about = None if bar is None else not bar, job.model.id
    with tqdm(in_order, desc=f"explain {about}", unit="cell", leave=False, disable=hidden) as cell_bar:
        score_cell, shared = make_score_function(job.model, job.cells, trained, runs_dir, flags), shared_fields(trained)
        cell_bar.set_description(f"score {about}")
        for cell in cell_bar:
            start = time.perf_counter()
            scored = score_cell(cell)
            write_record(cell, scored, shared, time.perf_counter() - start, folder)
    log.info("%s: %d records written", job.model.id, len(job.cells))


def make_score_function(
    model: ModelPlan, cells: Sequence[Cell], trained: Sequence[TrainingRun], runs_dir: Path, flags: EngineFlags | None
) -> Callable[[Cell], Scored]:
    """Return a function that scores any of ``cells`` from stored maps and predictions.

    Missing maps are generated first, for all cells at once. Without ``flags`` no map is generated and no network
    loaded: a cell without maps raises ``NoMapsError``.
    """
    checks = _checks(model, cells, trained, runs_dir, flags)
    without_maps = (CLASSIFICATION, *checks)
    with_maps = (cell.method for cell in cells if cell.protocol not in without_maps and cell.method not in PEOPLE)
    names = dict.fromkeys(with_maps)
    case_store = explain_model(model, trained, list(names), runs_dir, flags)
    by_protocol: dict[str, Scorer] = {
        CLASSIFICATION: ByClassifier(case_store),
        CHOICE: ByProtocol(case_store, MAIN_PROTOCOL),
        **{name: ByCheck(check) for name, check in checks.items()},
    }
    by_method: dict[str, Scorer] = {
        READERS: ByReaders(case_store, readers.evaluate),
        SECOND_READERS: ByReaders(case_store, second_readers.evaluate),
    }
    by_default = ByProtocol(case_store)

    def score_cell(cell: Cell) -> Scored:
        fields, rows = by_protocol.get(cell.protocol, by_method.get(cell.method, by_default)).score(cell)
        return {**fields, "rests_on": sample_counts(trained, cell) | fields.get("rests_on", {})}, rows

    return score_cell


def _checks(
    model: ModelPlan, cells: Sequence[Cell], trained: Sequence[TrainingRun], runs_dir: Path, flags: EngineFlags | None
) -> dict[str, Check]:
    """The validity checks among the protocols of ``cells``, ready to evaluate their methods."""
    checks = {}
    for name in dict.fromkeys(cell.protocol for cell in cells if cell.protocol in CHECKS.names()):
        scored = [cell for cell in cells if cell.protocol == name and cell.method != CLASSIFIER]
        names, images = (
            list(dict.fromkeys(cell.method for cell in scored)),
            next((cell.images for cell in scored), None),
        )
        checks[name] = CHECKS.get(name)(trained, names, runs_dir / "maps" / model.maps_folder_name, flags, images)
    return checks


def sample_counts(trained: Sequence[TrainingRun], cell: Cell) -> dict[str, int]:
    """The numbers of training runs, images, patients, cases and boxes behind a cell.

    ``explained images`` is present if they are only a part of the boxed images.
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
