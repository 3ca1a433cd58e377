"""Score and record the cells of a model."""

import datetime
import logging
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

import methods
from benchmark import validity
from benchmark.maps.cases import CaseStore
from benchmark.maps.code import code_of, method_code
from benchmark.maps.trained import TrainingRun, select_samples
from benchmark.records import Cell, Record
from benchmark.records import write as write_record
from benchmark.records.cases import write as write_cases
from benchmark.records.provenance import join
from benchmark.suite import readers, second_readers
from benchmark.suite.explain import explain_model
from benchmark.suite.plan import ModelPlan
from benchmark.suite.scorers import Scored, score_classifier, score_maps, score_result
from benchmark.suite.selection import ModelTask
from benchmark.suite.training_runs import finished_runs
from benchmark.training import machine, provenance
from benchmark.validity.base import Check
from config import EngineFlags, RunConfig
from core.flags.choices import CHECKS
from core.names import CLASSIFICATION, READERS, SECOND_READERS
from core.user_code import runs_code

log = logging.getLogger(__name__)
LIBRARIES = ("torch", "timm", "numpy", "numba")
EVALUATE_PEOPLE = {READERS: readers.evaluate, SECOND_READERS: second_readers.evaluate}


def score(task: ModelTask, runs_dir: Path, folder: Path, flags: RunConfig) -> None:
    """Write a record in ``folder`` for each cell of ``task``; the training runs must be finished.

    Maps that are missing in ``runs_dir`` are generated first. If a method fails, only its cells are affected.
    """
    machine.configure_torch(task.model.trainings[0].threads or flags.threads)
    score_and_record(ModelScorer(task.model, task.cells, finished_runs(task.model, runs_dir), runs_dir, flags), folder)


def score_and_record(scorer: "ModelScorer", folder: Path, bar: bool | None = None) -> None:
    """Write a record in ``folder`` for each cell of ``scorer``.

    ``bar``: show progress; None: only on a terminal.
    """
    in_order = sorted(scorer.cells, key=lambda cell: (cell.method, cell.alignment))  # a method's cases are made once
    hidden, model_id = None if bar is None else not bar, scorer.model.id
    for cell in tqdm(in_order, desc=f"score {model_id}", unit="cell", leave=False, disable=hidden):
        start = time.perf_counter()
        fields, rows = scorer.score(cell)
        seconds = round(time.perf_counter() - start, 3)
        if rows:
            write_cases(rows, cell, folder)
        # a method from a user's file is recorded by its own name
        name = str(methods.get(cell.method).name) if runs_code(cell.method) else ""
        write_record(Record(cell=cell, seconds=seconds, method_name=name, **scorer.shared_fields, **fields), folder)
    log.info("%s: %d records written", model_id, len(in_order))


@dataclass(eq=False)
class ModelScorer:
    """Scores the cells of a model from stored maps and predictions.

    Missing maps are generated on creation, for all ``cells`` at once.
    """

    model: ModelPlan
    cells: Sequence[Cell]
    trained: Sequence[TrainingRun]
    runs_dir: Path
    flags: EngineFlags
    checks: dict[str, Check] = field(init=False)
    """Name -> validity check among the protocols of the cells."""
    code: dict[str, dict[str, str]] = field(init=False)
    """Method -> hashes of the code of the method and the network."""
    store: CaseStore = field(init=False)
    """Cases with the maps of the methods that are scored by a protocol."""

    def __post_init__(self) -> None:
        network, folder = self.model.code, self.model.maps_folder(self.runs_dir)
        # before the code is imported: if a file is edited meanwhile, the record has the hash of its earlier version
        self.code = {word: code_of(network, method_code(word)) for word in {cell.method for cell in self.cells}}
        self.checks = {}
        for name in dict.fromkeys(cell.protocol for cell in self.cells if cell.protocol in CHECKS):
            of_check = [cell for cell in self.cells if cell.protocol == name]
            words, images = [*dict.fromkeys(cell.method for cell in of_check)], next((c.images for c in of_check), None)
            self.checks[name] = validity.get(name)(self.trained, words, folder, self.flags, images)
        with_maps = (c for c in self.cells if c.protocol not in (CLASSIFICATION, *self.checks))
        words = [*dict.fromkeys(cell.method for cell in with_maps if cell.method not in EVALUATE_PEOPLE)]
        self.store = explain_model(self.model, self.trained, words, self.runs_dir, self.flags)

    def score(self, cell: Cell) -> Scored:
        """Return the fields of the record of a cell, and its rows per case."""
        settings: Mapping[str, str] = {}
        if cell.protocol == CLASSIFICATION:
            fields, rows = score_classifier(self.store)
        elif cell.protocol in self.checks:
            check, settings = self.checks[cell.protocol], self.checks[cell.protocol].settings
            fields, rows = score_result(lambda: check.evaluate(cell.method, cell.data_seed), "surface")
        elif cell.method in EVALUATE_PEOPLE:
            arguments = self.trained, self.store.findings, cell.data_seed, cell.images
            fields, rows = score_result(lambda: EVALUATE_PEOPLE[cell.method](*arguments), "none")
        else:
            fields, rows = score_maps(self.store, cell)
        counts = {**sample_counts(self.trained, cell), **settings}
        return {**fields, "code": self.code[cell.method], "rests_on": counts}, rows

    @cached_property
    def shared_fields(self) -> dict[str, Any]:
        """Fields that all records of the model share: weights, versions, provenance, images."""
        return {
            "checkpoints": tuple(run.digest for run in self.trained),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
            "training": join([provenance.read(run.folder) for run in self.trained]),
            "scoring": provenance.of_scoring(),
            "fingerprint": provenance.fingerprint(sample for run in self.trained for sample in run.data),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "data": self.trained[0].data.describe,
        }


def sample_counts(trained: Sequence[TrainingRun], cell: Cell) -> dict[str, int]:
    """Return the numbers of training runs, images, patients, cases and boxes behind a cell.

    ``explained images`` is included if these are only a part of the boxed images.
    """
    samples = select_samples(trained, cell.images)
    return {
        "trainings": len(trained),
        "test images": sum(len(run.data) for run in trained),
        "boxed images": sum(bool(sample.boxes) for run in trained for sample in run.scorable_images),
        **({"explained images": len(samples)} if cell.images is not None else {}),
        "patients": len({sample.patient_id for sample in samples}),
        "cases": sum(len(sample.boxes) for sample in samples),
        "truth boxes": sum(len(boxes) for sample in samples for boxes in sample.boxes.values()),
    }
