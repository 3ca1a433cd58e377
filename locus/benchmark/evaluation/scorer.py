"""The one scorer: cases and protocols in, records and rows per case out.

``score_maps``   score the cases of a cell by its protocol; ``score_result``: anything else that computes a whole result
``scored``       the record and the rows per case of each cell

``EntryCases``   the cases of maps or boxes made elsewhere; ``score`` returns their records and those of the baselines

``ScoredModel``     the training runs of a network with their images, and the folder of their maps
``stored_cases``    the cases of some methods; missing maps are generated
``NetworkScorer``   scores cells of the network; ``write_records`` writes their records
``classification``  AUROC and average precision of predictions

``arrays`` scores plain arrays by the same protocols, without a record.
"""

import datetime
import logging
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from tqdm import tqdm

from locus import methods
from locus.arrays import Pair
from locus.benchmark import checks
from locus.benchmark.baselines.boxes import Prior
from locus.benchmark.baselines.fixed_region import fixed_cases
from locus.benchmark.baselines.fold_draws import over_fold_draws
from locus.benchmark.checks.base import Check
from locus.benchmark.evaluation.entry import ExternalEntry
from locus.benchmark.evaluation.files import MAX_CACHED_BYTES
from locus.benchmark.evaluation.supervised import Supervised
from locus.benchmark.maps import SHUFFLED_METHOD, code_of, method_code, subgroups
from locus.benchmark.maps.cases import (
    CaseStore,
    GridCases,
    baseline_cases,
    shuffled_cases,
    training_cases,
)
from locus.benchmark.maps.generate import load_or_generate, requests_of, validation_requests
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.records import Cell, Record, Score
from locus.benchmark.records import write as write_record
from locus.benchmark.records.cases import write as write_cases
from locus.benchmark.records.record import EXTERNAL_MODEL, join
from locus.benchmark.training import metrics, provenance
from locus.config import EngineFlags
from locus.core import limits, names
from locus.core.errors import LocusError, NotAvailableError, WriteError
from locus.core.frames import Grid
from locus.core.types import Sample
from locus.core.user_code import runs_code
from locus.datasets.base import Dataset
from locus.scoring import protocols
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Case, Result
from locus.scoring.protocols.single_box import SingleBox
from locus.scoring.score_thresholds import Indexed, ThresholdsBySource
from locus.scoring.statistics.resample import ONE_BLAS_THREAD, SHARED_SUFFIX

log = logging.getLogger(__name__)
BASELINE_SIDE = Prior().side
"""Side of the baselines' maps for entries of boxes, which have no grid, and the largest side of ``noise``.

Noise in pixels would hit nothing, and take longer than all other maps together.
"""
BAR_SECONDS = 1.0
"""Seconds after which the bar of the cells moves, even if no cell is finished."""
METRICS = ("auroc", "ap")
LIBRARIES = ("torch", "timm", "numpy", "numba")
Fields = dict[str, Any]
"""Fields of a record."""
Rows = list[dict[str, Any]]
"""Rows per case."""
Scored = tuple[Fields, Rows]
"""Fields of a record (scores, or status ``n/a`` or ``failed`` with a reason), and its per-case rows."""


class CaseSource(Protocol):
    """Source of cases for cells: a model's stored maps, or maps and boxes made elsewhere."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises an error with the reason if there are none."""

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases on which the thresholds of a cell may be chosen."""

    @property
    def groups(self) -> dict[str, dict[Pair, str]]:
        """Variable -> (image, finding) -> group of the case."""


@ONE_BLAS_THREAD
def score_maps(source: CaseSource, cell: Cell, protocol: base.Protocol | None = None) -> Scored:
    """Score the maps of a cell's method by ``protocol``, by default its own; per-case rows include their subgroups."""
    protocol = protocol or protocols.get(cell.protocol)()
    fields, rows = score_result(lambda: _evaluate(source, cell, protocol), protocol.geometry)
    if "scores" not in fields:
        return fields, rows
    if cell.protocol == names.MAIN_PROTOCOL:
        fields["subgroups"] = subgroups.scores(
            rows, source.groups, source.findings, cell.data_seed, cell.threshold_source
        )
    for variable, group_of_case in source.groups.items():
        rows = [
            {**row, variable: group_of_case.get((row["image"], row["finding"]), "")} for row in rows
        ]
    return fields, rows


def _evaluate(source: CaseSource, cell: Cell, protocol: base.Protocol) -> Result:
    """Return the result of a cell. That of a baseline made from other patients is a mean over draws of their folds."""
    cases = source.cases(cell)
    validation = source.validation(cell) if protocol.chooses_thresholds else []
    if cell.method in names.BLIND and cell.fitted_on is None and isinstance(protocol, SingleBox):
        draws = over_fold_draws(cell.method, cases)
        return protocol.evaluate_draws(draws, source.findings, cell.data_seed, validation)
    result: Result = protocol.evaluate(cases, source.findings, cell.data_seed, validation)
    return result


def score_result(compute: Callable[[], Result], geometry: str) -> Scored:
    """Score with a function that computes the whole result; if it fails, return the reason without scores.

    Raises ``WriteError``, which is not an error of the method.
    """
    try:
        result = compute()
    except WriteError:
        raise
    except NotAvailableError as error:
        return {"status": "n/a", "reason": str(error)}, []
    except LocusError as error:
        return {"status": "failed", "reason": str(error)}, []
    return result_fields(result, geometry), result.rows


def result_fields(result: Result, geometry: str) -> dict[str, Any]:
    """Return the fields of the record that come from ``result``."""
    reason = result.remark
    if result.failed:
        reason = f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}"
    return {
        "status": "failed" if result.failed else "ok",
        "reason": reason,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
        "hits_by_threshold": tuple(result.hits_by_threshold),
        "resampled": result.resampled,
    }


def scored(
    cells: Sequence[Cell],
    score_cell: Callable[[Cell], Scored],
    shared: Fields,
    title: str,
    bar: bool | None = None,
) -> Iterator[tuple[Record, Rows]]:
    """Yield the record of each cell and its rows per case.

    Args:
        cells: the cells.
        score_cell: returns the fields of a cell's record, and its rows.
        shared: fields that all records have.
        title: name of the progress bar.
        bar: show it; None: only on a terminal.
    """
    hidden = None if bar is None else not bar
    for cell in tqdm(cells, desc=f"score {title}", unit="cell", leave=False, disable=hidden):
        yield _record(cell, score_cell, shared)


def _scored_in_threads(
    cells: Sequence[Cell], score_cell: Callable[[Cell], Scored], shared: Fields, title: str
) -> list[tuple[Record, Rows]]:
    """Return what ``scored`` yields, computed by a thread per CPU.

    NumPy and the compiled functions let threads run side by side.
    """
    with (
        ThreadPoolExecutor(limits.cpus()) as threads,
        tqdm(
            total=len(cells), desc=f"score {title}", unit="cell", leave=False, disable=None
        ) as bar,
    ):
        results = [threads.submit(_record, cell, score_cell, shared) for cell in cells]
        waiting = set(results)
        try:
            while waiting:
                finished, waiting = wait(waiting, BAR_SECONDS, FIRST_COMPLETED)
                bar.update(len(finished))
                bar.refresh()  # the elapsed time
                for result in finished:
                    result.result()  # raises the error of its thread
        finally:
            for result in results:
                result.cancel()
    return [result.result() for result in results]


def _record(
    cell: Cell, score_cell: Callable[[Cell], Scored], shared: Fields
) -> tuple[Record, Rows]:
    """Score one cell; return its record with the seconds that it took, and its rows per case."""
    start = time.perf_counter()
    fields, rows = score_cell(cell)
    seconds = round(time.perf_counter() - start, 3)
    return Record(cell=cell, seconds=seconds, **shared, **fields), rows


def shared_fields(data: Sequence[Dataset]) -> dict[str, Any]:
    """Return the fields that all records of one scoring share: versions, machine, images and time."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        versions[name] = version(name)
    return {
        "versions": versions,
        "scoring": provenance.of_scoring(),
        "fingerprint": provenance.fingerprint(sample for images in data for sample in images),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": data[0].describe,
    }


def truth_counts(samples: Sequence[Sample]) -> dict[str, int]:
    """Return the numbers of patients, cases and truth boxes of ``samples``."""
    patients = {sample.patient_id for sample in samples}
    box_counts = [len(boxes) for sample in samples for boxes in sample.boxes.values()]
    return {"patients": len(patients), "cases": len(box_counts), "truth boxes": sum(box_counts)}


@dataclass
class EntryCases:
    """Cases of an entry and its baselines; only one method's cases are cached."""

    entry: ExternalEntry
    _last: dict[str, list[Case]] = field(default_factory=dict, repr=False)

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""
        return self.entry.data.findings

    @cached_property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> group of a case, for the variables that do not need a classifier."""
        return subgroups.without_classifier(self.entry.samples, self.findings)

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises ``NotAvailableError`` if the entry lacks the input of its protocol."""
        if cell.method == self.entry.name:
            return self.entry.answers.cases(cell.protocol)
        if cell.method in names.OF_TRAINING_PART:
            return fixed_cases(cell.method, cell.protocol, self.entry.data, self.entry.data)
        if cell.method == names.SHUFFLED:
            return shuffled_cases(self.entry.answers.cases(cell.protocol))
        cases = self._last.get(cell.method)
        if cases is None:
            cases = self._baseline(cell.method)
            self._last = {cell.method: cases}
        return cases

    def validation(self, cell: Cell) -> list[Case]:
        """Return the training part for its baselines, else no cases: external maps are of test images only."""
        return training_cases(cell, self.entry.data)

    def _baseline(self, name: str) -> list[Case]:
        entry = self.entry
        height, width = self._shape
        if name == names.NOISE and not isinstance(entry.geometry.grid, Grid):
            height = min(height, BASELINE_SIDE)
            width = min(width, BASELINE_SIDE)
        cases = baseline_cases(
            name,
            [sample for sample in entry.samples if sample.boxes],
            entry.data,
            grid=entry.geometry.on((height, width)),
            shape=(height, width),
            max_bytes=MAX_CACHED_BYTES,
        )
        skipped = entry.missing_maps if entry.missing == "skip" else set()
        answered = []
        for case in cases:
            pair = (case.image_id, case.finding)
            if pair not in skipped:
                answered.append(replace(case, probability=entry.probabilities.get(pair)))
        return answered

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Most frequent shape (h, w) of the maps."""
        shapes = Counter(
            (values.shape[0], values.shape[1]) for values in self.entry.values.values()
        )
        return shapes.most_common(1)[0][0] if shapes else (BASELINE_SIDE, BASELINE_SIDE)


@ONE_BLAS_THREAD
def score(
    entry: ExternalEntry, baselines: Sequence[str], chosen: Sequence[str] = ()
) -> list[tuple[Record, Rows]]:
    """Return the records and the rows per case of the entry, then of ``baselines``, for each protocol.

    ``chosen``: names of protocols to use, beside the main one; by default all that need no choice. Protocols that the
    entry does not support are skipped for the baselines.
    """
    score_cell = partial(score_maps, EntryCases(entry))
    planned = _entry_cells(entry, baselines, chosen)
    entry_cells = [cell for cell in planned if cell.method == entry.name]
    shared = {**shared_fields([entry.data]), "rests_on": _counts(entry)}
    results = _scored_in_threads(
        entry_cells, score_cell, {**shared, "source": "external"}, entry.name
    )
    unsupported = {record.cell.protocol for record, _ in results if record.status == "n/a"}
    other_cells = [
        cell for cell in planned if cell.method != entry.name and cell.protocol not in unsupported
    ]
    return [*results, *_scored_in_threads(other_cells, score_cell, shared, "baselines")]


def _entry_cells(
    entry: ExternalEntry, baselines: Sequence[str], chosen: Sequence[str]
) -> list[Cell]:
    """Return the cells of the entry and of the ``baselines``, for each protocol; ``chosen``: see ``score``."""
    shared = Cell(
        dataset=entry.data.name,
        partition=str(entry.data.describe.get("partition", "")),
        split="test",
        model_id=EXTERNAL_MODEL,
        alignment=entry.geometry.alignment,
        data={"findings": len(entry.data.findings)},
        recipe=entry.recipe,
    )
    rows = [entry.name, *baselines]
    if entry.data.training_part is not None:
        rows += names.OF_TRAINING_PART
    pairs = [(row, protocol) for row in rows for protocol in _protocol_names(entry, row)]
    if chosen:
        pairs = [
            (row, protocol) for row, protocol in pairs if protocol in (names.MAIN_PROTOCOL, *chosen)
        ]
    if names.ADDED in chosen:
        added_rows = [row for row in (entry.name, *names.BESIDE_PRIOR) if row != names.UNTRAINED]
        pairs += [(row, names.ADDED) for row in added_rows]
    return [
        shared.model_copy(update={"method": row, "protocol": protocol}) for row, protocol in pairs
    ]


def _protocol_names(entry: ExternalEntry, row: str) -> list[str]:
    """Return the protocols of the entry or of a baseline, which has no confidences."""
    mask_protocols = protocols.judging("masks") if entry.data.training_part is not None else []
    if row == names.FIXED_POINT:
        return [name for name in (*mask_protocols, "pointing") if protocols.get(name).takes_boxes]
    if row in names.OF_TRAINING_PART:
        return [name for name in mask_protocols if not protocols.get(name).takes_boxes]
    if row == names.FIXED_BOX or (entry.boxes is not None and row != entry.name):
        return protocols.of_boxes()
    if entry.boxes is not None:
        return [
            name
            for name in protocols.judging("maps", "confidences")
            if protocols.get(name).takes_boxes
        ]
    map_protocols = (
        protocols.judging("maps", "confidences") if entry.probabilities else protocols.of_maps()
    )
    return [*map_protocols, *mask_protocols]


def _counts(entry: ExternalEntry) -> dict[str, Any]:
    """Return the numbers of images, patients, cases and boxes behind an entry, and its declared training data."""
    boxed = [sample for sample in entry.samples if sample.boxes]
    counts = {
        "test images": len(entry.data),
        "boxed images": len(boxed),
        **truth_counts(boxed),
        "cases without a map": len(entry.missing_maps),
    }
    if entry.boxless:
        counts["images without a box"] = len(entry.boxless)
    return {**counts, "trained on (declared)": entry.trained_on} if entry.trained_on else counts


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoredModel:
    """Training runs of one network with their test images, and where their maps are stored."""

    id: str
    trained: Sequence[ModelRun]
    """One run per fold."""
    maps: Path
    """Folder of the maps."""
    code: str = ""
    """Hash of the code of the network."""
    images: int | None = None
    """Number of boxed images that are scored; None: all."""
    protocols: tuple[str, ...] = ()
    """Protocols that score its maps; empty: not restricted."""
    grid: int | None = None
    """Side of the grid if there is no network: rows of the truth alone, such as baselines."""


def stored_cases(
    model: ScoredModel, method_names: Sequence[str], flags: EngineFlags | None
) -> CaseStore:
    """Return the cases of ``method_names`` with the maps of ``model``; missing maps are generated.

    Without ``flags``, no map is generated and no network loaded; a cell without maps raises ``NotStoredError``.
    """
    if not method_names:
        return CaseStore(model.trained, {})
    requests, broken = requests_of(
        model.trained, method_names, model.maps, model.images, model.protocols
    )
    validation = []
    if not model.protocols or any(
        protocols.get(name).chooses_thresholds for name in model.protocols
    ):
        validation = validation_requests(model.trained, method_names, model.maps / "val")
    maps = broken | load_or_generate(requests, flags)
    return CaseStore(model.trained, maps, load_or_generate(validation, flags))


class OwnBoxes(SingleBox):
    """``single_box`` for a network that saw boxes: a fold's thresholds are chosen on its images of other folds."""

    def choose(self, scored: Indexed, seed: int, validation: Indexed) -> ThresholdsBySource:
        """Return the thresholds of all sources; those chosen on other patients are the cross-fitted ones."""
        chosen = super().choose(scored, seed, validation)
        for suffix in ("", SHARED_SUFFIX):
            chosen["cross-fitted", suffix] = chosen.pop(("validation", suffix))
        return chosen


@dataclass(eq=False, kw_only=True)
class NetworkScorer:
    """Scores cells of a network from stored maps and predictions; ``prepare`` makes one."""

    model: ScoredModel
    cells: Sequence[Cell]
    code: dict[str, dict[str, str]]
    """Method -> hashes of the code of the method and the network."""
    store: CaseStore | GridCases
    """Cases with the maps of the methods that are scored by a protocol."""
    checks: dict[str, Check]
    """Name -> validity check among the protocols of the cells."""

    @classmethod
    def prepare(
        cls, model: ScoredModel, cells: Sequence[Cell], flags: EngineFlags, **fields: Any
    ) -> Self:
        """Generate the missing maps of all ``cells`` at once; ``fields``: those of a subclass."""
        # before the code is imported: if a file is edited meanwhile, the record has the hash of its earlier version
        code = {
            name: code_of(model.code, method_code(name)) for name in {cell.method for cell in cells}
        }
        store = _store(model, cells, flags)
        check_names = dict.fromkeys(
            cell.protocol for cell in cells if cell.protocol in checks.names()
        )
        prepared = {}
        for name in check_names:
            check_cells = [cell for cell in cells if cell.protocol == name]
            method_names = list(dict.fromkeys(cell.method for cell in check_cells))
            prepared[name] = checks.get(name)(
                trained=model.trained,
                methods=method_names,
                folder=model.maps,
                flags=flags,
                max_images=check_cells[0].images,
            )
        return cls(model=model, cells=cells, code=code, store=store, checks=prepared, **fields)

    def score(self, cell: Cell) -> Scored:
        """Return the fields of the record of a cell, and its rows per case."""
        fields, rows = self.evaluate(cell)
        # a method from a user's file is recorded by its own name
        fields["method_name"] = str(methods.get(cell.method).name) if runs_code(cell.method) else ""
        fields["code"] = self.code[cell.method]
        fields["rests_on"] = sample_counts(self.model.trained, cell)
        return fields, rows

    def evaluate(self, cell: Cell) -> Scored:
        """Return the scores of a cell, by its protocol or check, and its rows per case."""
        if cell.protocol in self.checks:
            check = self.checks[cell.protocol]
            return score_result(lambda: check.evaluate(cell.method, cell.data_seed), "surface")
        if cell.protocol == names.CLASSIFICATION and isinstance(self.store, CaseStore):
            return score_classifier(self.store)
        if cell.method in names.SUPERVISED and isinstance(self.store, CaseStore):
            return score_maps(
                Supervised(cell.method, self.model.trained, self.store.groups), cell, OwnBoxes()
            )
        return score_maps(self.store, cell)

    def shared_fields(self) -> dict[str, Any]:
        """Return the fields that all records of the model share."""
        trained = self.model.trained
        return {
            **shared_fields([run.data for run in trained]),
            "checkpoints": tuple(run.digest for run in trained) if self.model.grid is None else (),
            "training": join([provenance.read(run.folder) for run in trained]),
        }


def _store(model: ScoredModel, cells: Sequence[Cell], flags: EngineFlags) -> CaseStore | GridCases:
    """Return the cases of the cells that are scored by a protocol; ``shuffled`` exchanges the maps of a method."""
    if model.grid is not None:
        return GridCases(model.trained, model.grid)
    explained = []
    for cell in cells:
        method = SHUFFLED_METHOD if cell.method == names.SHUFFLED else cell.method
        is_of_check = cell.protocol in (names.CLASSIFICATION, *checks.names())
        if not is_of_check and method not in names.WITHOUT_MAP:
            explained.append(method)
    return stored_cases(model, list(dict.fromkeys(explained)), flags)


def write_records(scorer: NetworkScorer, folder: Path, bar: bool | None = None) -> None:
    """Write a record in ``folder`` for each cell of ``scorer``.

    ``bar``: show progress; None: only on a terminal.
    """
    in_order = sorted(
        scorer.cells, key=lambda cell: (cell.method, cell.alignment)
    )  # a method's cases are made once
    for record, rows in scored(
        in_order, scorer.score, scorer.shared_fields(), scorer.model.id, bar
    ):
        if rows:
            write_cases(rows, record.cell, folder)
        write_record(record, folder)
    log.info("%s: %d records written", scorer.model.id, len(in_order))


def sample_counts(trained: Sequence[ModelRun], cell: Cell) -> dict[str, int]:
    """Return the numbers of training runs, images, patients, cases and boxes behind a cell.

    ``explained images`` is included if these are only a part of the boxed images.
    """
    samples = select_samples(trained, cell.images)
    counts = {
        "trainings": len(trained),
        "test images": sum(len(run.data) for run in trained),
        "boxed images": sum(
            bool(sample.boxes) for run in trained for sample in run.scorable_images
        ),
    }
    if cell.images is not None:
        counts["explained images"] = len(samples)
    return counts | truth_counts(samples)


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
        logits = torch.tensor(_columns(rows, "logit", findings).to_numpy(dtype="float64"))
        labels = torch.tensor(_columns(rows, "label", findings).to_numpy(dtype="float64"))
        measured = metrics.scores(logits, labels, tuple(findings), exclusive)
        for metric in METRICS:
            scores += _scores(metric, metric + suffix, measured)
    return Result(scores=scores, rows=[])


def _columns(table: pd.DataFrame, kind: str, findings: Sequence[str]) -> pd.DataFrame:
    """Return the columns ``label_F`` or ``logit_F`` of all findings."""
    return table[[f"{kind}_{finding}" for finding in findings]]


def _scores(metric: str, name: str, measured: metrics.Scores) -> list[Score]:
    """Return a metric by finding and its mean, under its ``name`` in the record."""
    scores = []
    undefined = []
    for finding, row in measured["findings"].items():
        if math.isnan(row[metric]):
            undefined.append(finding)
            reason = f"{row['positives']} of {row['n']} images are positive: one class only"
            scores.append(Score(finding, name, None, n=row["n"], reason=reason))
        else:
            scores.append(Score(finding, name, row[metric], n=row["n"]))
    mean = measured[f"mean_{metric}"]
    reason = f"without {', '.join(undefined)}: one class only" if undefined else ""
    scores.append(
        Score("mean", name, None if math.isnan(mean) else mean, n=measured["n"], reason=reason)
    )
    return scores


def score_classifier(store: CaseStore) -> Scored:
    """Score the predictions of the classifier on the held-out images: AUROC and average precision."""
    held_out = store.predictions[store.predictions["split"] == "test"]
    labels = _columns(held_out, "label", store.findings)
    logits = _columns(held_out, "logit", store.findings)
    is_softmax = store.exclusive or np.allclose(expit(logits).sum(1), 1, atol=1e-4)
    if len(store.findings) > 1 and not is_softmax and (labels.sum(axis=1) == 1).all():
        log.warning(
            "each image has exactly one finding: after training by cross-entropy, use outputs=softmax"
        )
    return result_fields(classification(held_out, store.findings, store.exclusive), "none"), []
