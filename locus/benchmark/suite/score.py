"""The steps that explain and score the cells of a model: generate its maps, evaluate them, write a record per cell.

``explain``         generate the missing maps of some methods; ``score`` writes the records of some cells
``finished_runs``   the training runs of a model, which must be finished, with the images that they explain
``classification``  the record of the classifier
``score_maps``, ``score_result``  a method's maps by a protocol; anything else that computes a whole result, such as
                    boxes drawn by people or a validity check
``scored``          the record and the rows per case of each cell; external entries use it, too

Training is in ``locus.benchmark.training``, the order of the steps in ``run``, the protocols in
``locus.benchmark.scoring``.
"""

import datetime
import logging
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import torch
from tqdm import tqdm

from locus import methods
from locus.benchmark import validity
from locus.benchmark.maps import strata
from locus.benchmark.maps.cases import CaseStore, GridCases
from locus.benchmark.maps.code import code_of, method_code
from locus.benchmark.maps.generate import StoredMapsByMethod, load_or_generate, requests_of, validation_requests
from locus.benchmark.maps.requests import MapRequest
from locus.benchmark.maps.runs import TrainingRun, select_samples
from locus.benchmark.records import Cell, Record, Score, cases
from locus.benchmark.records import write as write_record
from locus.benchmark.records.cases import write as write_cases
from locus.benchmark.records.record import join
from locus.benchmark.report.select import counted
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Case, Result
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.benchmark.suite import readers
from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.plan import ModelPlan
from locus.benchmark.training import machine, metrics, provenance
from locus.benchmark.validity.base import Check
from locus.config import CHECKS, EngineFlags, RunConfig, TrainConfig
from locus.core.errors import DataError, LocusError, NotAvailableError, WriteError
from locus.core.names import CLASSIFICATION, MAIN_PROTOCOL, READERS, SECOND_READERS, WITHOUT_MAP
from locus.core.user_code import runs_code
from locus.datasets.base import Dataset, content_stamp

log = logging.getLogger(__name__)
METRICS = ("auroc", "ap")


def classification(table: pd.DataFrame, findings: Sequence[str], exclusive: bool = False) -> Result:
    """Return AUROC and average precision per finding and their mean, from held-out predictions.

    ``auroc`` and ``ap`` cover all held-out images; ``auroc@boxed`` and ``ap@boxed`` cover those with a truth box, on
    which maps are scored. They can differ a lot if boxed images come from another source.

    ``table`` has a row per image: ``label_F`` (0, 1 or nan) and ``logit_F`` per finding F, and ``boxed`` (0 or 1). A
    finding with only one class has no score and is excluded from the mean. ``exclusive``: one finding per image
    (softmax).

    >>> table = pd.DataFrame({"label_mass": [0, 1, 1], "logit_mass": [-1.0, 2.0, -2.0], "boxed": [0, 1, 1]})
    >>> [(score.metric, score.finding, score.value) for score in classification(table, ["mass"]).scores][:2]
    [('auroc', 'mass', 0.5), ('auroc', 'mean', 0.5)]
    """
    populations = {"": table, "@boxed": table[table["boxed"] == 1]}
    scores = []
    for suffix, rows in populations.items():
        columns = (rows[[f"{kind}_{finding}" for finding in findings]] for kind in ("logit", "label"))
        logits, labels = (torch.from_numpy(column.to_numpy(dtype="float64").copy()) for column in columns)
        measured = metrics.scores(logits, labels, tuple(findings), exclusive)
        scores += [score for metric in METRICS for score in _scores(metric, metric + suffix, measured)]
    return Result(scores=scores, rows=[])


def _scores(metric: str, word: str, measured: metrics.Scores) -> list[Score]:
    per_finding = [_score(word, finding, row[metric], row) for finding, row in measured["findings"].items()]
    left_out = [score.finding for score in per_finding if score.value is None]
    reason = f"without {', '.join(left_out)}: one class only" if left_out else ""
    value = _defined(measured[f"mean_{metric}"])
    return [*per_finding, Score(finding="mean", metric=word, value=value, n=measured["n"], reason=reason)]


def _score(word: str, finding: str, value: float, row: dict[str, Any]) -> Score:
    reason = f"{row['positives']} of {row['n']} images are positive: one class only" if math.isnan(value) else ""
    return Score(finding=finding, metric=word, value=_defined(value), n=row["n"], reason=reason)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


Rows = list[dict[str, Any]]
"""Rows per case."""
Scored = tuple[dict[str, Any], Rows]
"""Fields of a record (scores, or status ``n/a`` or ``failed`` with a reason), and its per-case rows."""


class CaseSource(Protocol):
    """Source of cases for cells: a model's stored maps, or an external entry."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""

    @property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> group of the case."""

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises an error with the reason if there are none."""

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases on which the thresholds of a cell may be chosen."""


def score_classifier(store: CaseStore) -> Scored:
    """Score the predictions of the classifier on the held-out images: AUROC and average precision."""
    held_out = store.predictions[store.predictions["split"] == "test"]
    return _fields(classification(held_out, store.findings, store.exclusive), "none"), []


@ONE_BLAS_THREAD
def score_maps(source: CaseSource, cell: Cell) -> Scored:
    """Score the maps of a cell's method by its protocol; per-case rows include their strata."""
    protocol, seed = protocols.get(cell.protocol)(), cell.data_seed

    def evaluate() -> Result:
        cases = source.cases(cell)
        validation = source.validation(cell) if protocol.chooses_thresholds else []
        return protocol.evaluate(cases, source.findings, seed, validation)

    fields, rows = score_result(evaluate, protocol.geometry)
    if "scores" not in fields:
        return fields, rows
    if cell.protocol == MAIN_PROTOCOL:
        fields["strata"] = strata.scores(rows, source.groups, source.findings, seed)
    groups = source.groups.items()
    return fields, [
        {**row, **{variable: group.get((row["image"], row["finding"]), "") for variable, group in groups}}
        for row in rows
    ]


def score_result(evaluate: Callable[[], Result], geometry: str) -> Scored:
    """Score with a function that computes the whole result; if it fails, return the reason without scores.

    Raises ``WriteError``, which is not an error of the method.
    """
    try:
        result = evaluate()
    except WriteError:
        raise
    except LocusError as error:
        return {"status": "n/a" if isinstance(error, NotAvailableError) else "failed", "reason": str(error)}, []
    return _fields(result, geometry), result.rows


def _fields(result: Result, geometry: str) -> dict[str, Any]:
    """Return the fields of the record that come from ``result``."""
    failed = f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}" if result.failed else ""
    return {
        "status": "failed" if failed else "ok",
        "reason": failed or result.remark,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
        "hits_by_threshold": tuple(result.hits_by_threshold),
    }


def finished_runs(model: ModelPlan, runs_dir: Path) -> Sequence[TrainingRun]:
    """Return the training runs of ``model`` in ``runs_dir``, all of which must be finished.

    The runs of the last model are cached with their images, because its steps follow each other. Raises ``DataError``
    if a run was trained on different data.
    """
    stamps = (content_stamp(folder / "metrics.json") for folder in model.run_configs(runs_dir))
    return _finished(model, runs_dir, tuple(stamps))


def recorded(model: ModelPlan, digests: Sequence[str | None], runs_dir: Path) -> list[TrainingRun]:
    """Return the training runs of ``model`` with the ``digests`` of their weights, without reading a checkpoint.

    A digest of None is that of the checkpoint. Raises ``DataError`` if the number of digests is wrong.
    """
    configs = model.run_configs(runs_dir)
    if len(digests) != len(configs):
        recorded_count = f"a record has {counted(len(digests), 'checkpoint')}"
        planned_count = f"{model.id} has {counted(len(configs), 'training run')} in the suite"
        raise DataError(f"{recorded_count}, but {planned_count}: {cases.RUN_AGAIN}")
    return [
        TrainingRun(config, folder, recorded_digest=digest, given=model.given)
        for (folder, config), digest in zip(configs.items(), digests, strict=True)
    ]


@lru_cache(maxsize=1)
def _finished(model: ModelPlan, runs_dir: Path, stamps: tuple[tuple[int, int], ...]) -> Sequence[TrainingRun]:
    """Return the finished training runs of a model; raise if the test data have changed since training."""
    digest = None if model.given is None else model.given.digest
    runs = recorded(model, [digest] * len(model.trainings), runs_dir)
    for run in runs:
        if differing := run.other_data():
            reason = f"was trained on different data ({', '.join(differing)} differ)"
            raise DataError(f"{run.folder} {reason}: remove the folder to train again")
    return tuple(runs)


def explain(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig) -> None:
    """Generate the maps of ``method_names`` that are missing in ``runs_dir``.

    If a method fails, it has no maps; scoring tries it again and records the reason.
    """
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    explain_model(model, finished_runs(model, runs_dir), method_names, runs_dir, flags)


def explain_model(
    model: ModelPlan,
    trained: Sequence[TrainingRun],
    method_names: Sequence[str],
    runs_dir: Path,
    flags: EngineFlags | None,
) -> CaseStore:
    """Return the cases of ``method_names``, with maps from ``runs_dir``; missing maps are generated.

    Without ``flags``, no map is generated and no network loaded; a cell without maps raises ``NotStoredError``.
    """
    if not method_names:
        return CaseStore(trained, {})
    requests, broken, validation = _requests(model, trained, method_names, runs_dir)
    return CaseStore(trained, broken | load_or_generate(requests, flags), load_or_generate(validation, flags))


def _requests(
    model: ModelPlan, trained: Sequence[TrainingRun], method_names: Sequence[str], runs_dir: Path
) -> tuple[list[MapRequest], StoredMapsByMethod, list[MapRequest]]:
    """Return the requests for test maps, the errors of methods that cannot be built, and those for validation maps.

    Validation maps are only needed if a protocol chooses thresholds.
    """
    folder = model.maps_folder(runs_dir)
    requests, broken = requests_of(trained, method_names, folder, model.images, model.protocols)
    chooses = not model.protocols or any(protocols.get(name).chooses_thresholds for name in model.protocols)
    return requests, broken, validation_requests(trained, method_names, folder / "val") if chooses else []


LIBRARIES = ("torch", "timm", "numpy", "numba")
EVALUATE_PEOPLE = {READERS: readers.score_readers, SECOND_READERS: readers.score_second_readers}


def score(task: ModelTask, runs_dir: Path, folder: Path, flags: RunConfig) -> None:
    """Write a record in ``folder`` for each cell of ``task``; the training runs must be finished.

    Maps that are missing in ``runs_dir`` are generated first. If a method fails, only its cells are affected.
    """
    machine.configure_torch(task.model.trainings[0].threads or flags.threads)
    score_and_record(ModelScorer(task.model, task.cells, finished_runs(task.model, runs_dir), runs_dir, flags), folder)


def score_without_network(task: ModelTask, folder: Path, flags: RunConfig) -> None:
    """Write a record in ``folder`` for each cell of a ``task`` without a network; no image is read."""
    trained = [_truth_alone(task.model.trainings[0])]
    score_and_record(ModelScorer(task.model, task.cells, trained, folder, flags), folder)


@lru_cache(maxsize=1)
def _truth_alone(config: TrainConfig) -> TrainingRun:
    """Return a run for the truth of its test images; all grids of a suite share it."""
    return TrainingRun(config, Path())


def score_and_record(scorer: "ModelScorer", folder: Path, bar: bool | None = None) -> None:
    """Write a record in ``folder`` for each cell of ``scorer``.

    ``bar``: show progress; None: only on a terminal.
    """
    in_order = sorted(scorer.cells, key=lambda cell: (cell.method, cell.alignment))  # a method's cases are made once
    for record, rows in scored(in_order, scorer.score, scorer.shared_fields(), scorer.model.id, bar):
        if rows:
            write_cases(rows, record.cell, folder)
        write_record(record, folder)
    log.info("%s: %d records written", scorer.model.id, len(in_order))


def scored(
    cells: Sequence[Cell],
    score_cell: Callable[[Cell], Scored],
    shared: dict[str, Any],
    title: str,
    bar: bool | None = None,
) -> Iterator[tuple[Record, Rows]]:
    """Yield the record of each of ``cells``, with the ``shared`` fields, and its rows per case.

    ``title`` names the progress bar. ``bar``: show it; None: only on a terminal.
    """
    hidden = None if bar is None else not bar
    for cell in tqdm(cells, desc=f"score {title}", unit="cell", leave=False, disable=hidden):
        start = time.perf_counter()
        fields, rows = score_cell(cell)
        yield Record(cell=cell, seconds=round(time.perf_counter() - start, 3), **shared, **fields), rows


def shared_fields(data: Sequence[Dataset]) -> dict[str, Any]:
    """Return the fields that all records of one scoring share: versions, machine, images and time."""
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "scoring": provenance.of_scoring(),
        "fingerprint": provenance.fingerprint(sample for images in data for sample in images),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": data[0].describe,
    }


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
    store: "CaseStore | GridCases" = field(init=False)
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
        words = [*dict.fromkeys(cell.method for cell in with_maps if cell.method not in WITHOUT_MAP)]
        self.store = (
            explain_model(self.model, self.trained, words, self.runs_dir, self.flags)
            if self.model.grid is None
            else GridCases(self.trained, self.model.grid)
        )

    def score(self, cell: Cell) -> Scored:
        """Return the fields of the record of a cell, and its rows per case."""
        settings: Mapping[str, str] = {}
        if cell.protocol == CLASSIFICATION and isinstance(self.store, CaseStore):
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
        # a method from a user's file is recorded by its own name
        name = str(methods.get(cell.method).name) if runs_code(cell.method) else ""
        return {**fields, "method_name": name, "code": self.code[cell.method], "rests_on": counts}, rows

    def shared_fields(self) -> dict[str, Any]:
        """Return the fields that all records of the model share."""
        return {
            **shared_fields([run.data for run in self.trained]),
            "checkpoints": tuple(run.digest for run in self.trained if self.model.grid is None),
            "training": join([provenance.read(run.folder) for run in self.trained]),
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
