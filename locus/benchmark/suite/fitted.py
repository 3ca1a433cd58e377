"""Thresholds and baselines that a suite takes from another one: ``fitted_on`` in its file.

``Fit``           what the other suite chose on all its cases; ``read`` reads it, ``check`` checks its patients
``score``         score a cell at its thresholds, by ``FittedBox`` on ``FittedCases``

Nothing is chosen on the scored cases. The thresholds are in the records of the other suite: those of its ``oracle``
were chosen on all its cases, of all folds together, per finding and training run. ``prior`` and ``fixed_box`` are made
from the truth boxes of all these cases, so ``prior`` keeps the thresholds that were chosen for its maps of other folds.
"""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from locus import datasets
from locus.arrays import Pair
from locus.benchmark import records
from locus.benchmark.baselines.fixed_box import (
    ALLOWED_CANDIDATES,
    CANDIDATE_SIDES,
    HIT_IOU,
    MIN_PATIENTS,
)
from locus.benchmark.baselines.prior import Prior
from locus.benchmark.evaluation.cell import CaseSource, Scored, score_maps
from locus.benchmark.maps.runs import images_of
from locus.benchmark.records import Cell, Record, cases
from locus.benchmark.report.grouping import first_names
from locus.benchmark.suite import plan
from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.plan import ModelPlan
from locus.config import RunConfig, TrainConfig
from locus.core.errors import DataError, LeakError, NotAvailableError
from locus.core.frames import as_boxes, box_coverage, conventional, iou
from locus.core.names import ADDED, FIXED_BOX, MAIN_PROTOCOL, PRIOR
from locus.core.types import FloatArray, Sample
from locus.scoring import score_thresholds
from locus.scoring.protocols.added import ChosenByFinding, Fitted
from locus.scoring.protocols.base import Case, Protocol
from locus.scoring.protocols.single_box import SingleBox
from locus.scoring.score_thresholds import FITTED, Indexed, ThresholdsBySource

CHOSEN_ON_ALL = "oracle"
"""Source of the thresholds that a suite chose on all its cases."""
ModelAndMethod = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Fit:
    """What a suite chose on all its cases."""

    suite: str
    thresholds: Mapping[ModelAndMethod, Mapping[str, float]]
    """Model and method -> finding -> score threshold."""
    samples: Sequence[Sample]
    """The images of its cases, with their truth boxes."""
    added: Mapping[ModelAndMethod, ChosenByFinding] = field(default_factory=dict)
    """Model and method -> finding -> weight and score thresholds of ``added``."""

    @property
    def patients(self) -> set[str]:
        """The patients of its cases."""
        return {sample.patient_id for sample in self.samples}

    @property
    def findings(self) -> set[str]:
        """The findings of its cases."""
        return {finding for sample in self.samples for finding in sample.boxes}

    def thresholds_of(self, cell: Cell) -> Mapping[str, float]:
        """Return finding -> threshold of the same model and method. Raises ``NotAvailableError`` if it has none."""
        return self._of(cell, self.thresholds, "score thresholds")

    def protocol_of(self, cell: Cell) -> Protocol:
        """Return the protocol of a cell with what this suite chose; raises ``NotAvailableError`` if that is nothing."""
        if cell.protocol != ADDED:
            return FittedBox(self.thresholds_of(cell))
        return Fitted(self._of(cell, self.added, f"weight of {ADDED}"), self.priors)

    def _of(self, cell: Cell, chosen: Mapping[ModelAndMethod, T], noun: str) -> T:
        """Return what was chosen for the model and method of a cell; ``noun`` names it in the error."""
        key = (cell.model_id, cell.method)
        if key not in chosen:
            raise NotAvailableError(
                f"the suite {self.suite} has no {noun} of {cell.method} on {cell.model_id}"
            )
        return chosen[key]

    @cached_property
    def priors(self) -> dict[str, NDArray[np.float32]]:
        """Finding -> the mean of all its truth boxes, drawn as filled rectangles (side,side)."""
        return {finding: mean_of_boxes(self.samples, finding) for finding in self.findings}

    @cached_property
    def fixed_boxes(self) -> dict[str, FloatArray]:
        """Finding -> the box (4,) xyxy that hits most of its cases, as shares of the frame."""
        return {finding: best_box(self.samples, finding) for finding in self.findings}


def mean_of_boxes(samples: Sequence[Sample], finding: str) -> NDArray[np.float32]:
    """Return the map (side,side) of ``prior`` for other patients than those of ``samples``: the mean of their boxes."""
    side = Prior().side
    with_finding = [sample for sample in samples if finding in sample.boxes]
    box_maps = [
        box_coverage(sample.boxes[finding], sample.frame, (side, side)) for sample in with_finding
    ]
    return np.mean(box_maps, axis=0).astype(np.float32)


def best_box(samples: Sequence[Sample], finding: str) -> FloatArray:
    """Return the box (4,) of ``fixed_box`` for other patients than those of ``samples``, as shares of the frame.

    The candidates and the rule are those of ``FixedBox.boxes``: most hits, then the largest mean IoU.
    Raises ``NotAvailableError`` if fewer than five patients have the finding.
    """
    with_finding = [sample for sample in samples if finding in sample.boxes]
    count = len({sample.patient_id for sample in with_finding})
    if count < MIN_PATIENTS:
        raise NotAvailableError(
            f"{finding} has boxes of {count} patients: fixed_box needs at least {MIN_PATIENTS}"
        )
    candidates = candidate_boxes()
    hit_counts = np.zeros(len(candidates), dtype=np.int64)
    iou_sums = np.zeros(len(candidates))
    for sample in with_finding:
        height, width = sample.frame
        truth = as_boxes(sample.boxes[finding]) / (width, height, width, height)
        best_iou = iou(candidates, truth).max(axis=1)
        hit_counts += best_iou > HIT_IOU
        iou_sums += best_iou
    best = np.lexsort((-iou_sums, -hit_counts))[0]
    return np.asarray(candidates[best])


@lru_cache(maxsize=1)
def candidate_boxes() -> FloatArray:
    """Return all candidates (C,4) of ``fixed_box`` xyxy, as shares of the frame."""
    along_x, along_y = np.nonzero(ALLOWED_CANDIDATES)
    x = CANDIDATE_SIDES[along_x]
    y = CANDIDATE_SIDES[along_y]
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def read(name: str, results: Path, suites: Path = plan.SUITES) -> Fit:
    """Return what the suite ``name`` chose, from its records in the folder ``results``, else from the published ones.

    ``suites``: folder of the YAML files. Raises ``DataError`` if the suite has no thresholds or its truth is missing.
    """
    folder = results / name
    if folder not in records.suites(results):
        folder = records.published() / name
    all_records = records.load(folder) if folder in records.suites(folder.parent) else []
    main_records = chosen_on_all(all_records)
    if not main_records:
        raise DataError(
            f"{folder} has no score thresholds: run the suite {name} first (--suite {name})"
        )
    rows = cases.read_columns([record.cell for record in main_records], folder, ["image"])
    images = {str(image) for image in rows["image"].unique().to_pylist()}
    model = plan.models(plan.load(name, suites))[0]
    thresholds = {key: of_findings(chosen) for key, chosen in _chosen_by_row(main_records).items()}
    return Fit(
        suite=name,
        thresholds=thresholds,
        samples=boxed_images(model, images),
        added=_chosen_by_row(chosen_on_all(all_records, ADDED)),
    )


def _chosen_by_row(all_records: Sequence[Record]) -> dict[ModelAndMethod, Any]:
    """Return model and method -> what was chosen on all cases."""
    return {
        (record.cell.model_id, record.method): record.thresholds[CHOSEN_ON_ALL]
        for record in all_records
    }


def chosen_on_all(all_records: Sequence[Record], protocol: str = MAIN_PROTOCOL) -> list[Record]:
    """Return the records of a protocol with thresholds that were chosen on all cases."""
    protocol_records = [
        record
        for record in all_records
        if record.source == "run" and record.cell.protocol == protocol
    ]
    return [
        record
        for record in protocol_records
        if record.cell.fitted_on is None and record.thresholds.get(CHOSEN_ON_ALL)
    ]


def of_findings(chosen: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return finding -> its only threshold, from those in a record; findings without one are left out."""
    return {
        finding: values[0]
        for finding, values in chosen.items()
        if values and not finding.startswith("@")
    }


def boxed_images(model: ModelPlan, images: set[str]) -> list[Sample]:
    """Return the samples of a suite's data set with these names, without reading an image.

    Raises ``DataError`` if the data set needs a folder that is missing.
    """
    config = without_images(model.trainings[0])
    if not datasets.at_hand(config.dataset, config.data_root_dir):
        raise DataError(
            f"no data set {config.dataset} in {datasets.root_of(config.dataset, config.data_root_dir)}"
        )
    data = datasets.load_split(config, "test")
    return [data[index] for index, image in enumerate(data.columns.images) if image in images]


def without_images(config: TrainConfig) -> TrainConfig:
    """Return the configuration of all images of a data set; of their truth alone if that does not need a folder."""
    dataset = config.dataset
    dataset_class = datasets.REGISTRY.get(dataset.split(":")[0])
    if "images" in inspect.signature(dataset_class.__init__).parameters:
        separator = "," if ":" in dataset else ":"
        dataset = f"{dataset}{separator}images=False"
    return dataclasses.replace(config, dataset=dataset, partition="all", fold=0)


def check(fit: Fit, scored: Sequence[Sample]) -> None:
    """Check that the ``scored`` images with boxes have other patients than the fit, and no other findings.

    Raises ``LeakError`` for a shared patient and ``DataError`` for a finding without cases in the fit.
    """
    shared = sorted(fit.patients & {sample.patient_id for sample in scored})
    if shared:
        patients = (
            f"{len(shared)} patients ({first_names(shared)})"
            if len(shared) > 1
            else f"the patient {shared[0]}"
        )
        raise LeakError(
            f"fitted_on: {fit.suite} has {patients} of the scored images: leave their images out of one suite"
        )
    scored_findings = {finding for sample in scored for finding in sample.boxes}
    lacking = sorted(scored_findings - fit.findings)
    if lacking:
        raise DataError(
            f"fitted_on: {fit.suite} has no case of {first_names(lacking)}: use a suite with these findings"
        )


def scored_images(model: ModelPlan) -> list[Sample]:
    """Return the test images of a model that have a box, of all its folds."""
    samples = []
    for config in model.trainings:
        if model.external is None:
            split: Sequence[Sample] = datasets.load_split(config, "test")
        else:
            split = images_of(config, "test", model.external)
        samples += [sample for sample in split if sample.boxes]
    return samples


def of_tasks(tasks: Sequence[ModelTask], folder: Path, flags: RunConfig) -> Fit | None:
    """Return the fit that the cells of ``tasks`` need, None if they need none; ``folder``: that of their records."""
    cells = [cell for task in tasks for cell in task.cells]
    fitted_cells = [cell for cell in cells if cell.fitted_on is not None]
    names = {cell.fitted_on for cell in fitted_cells if cell.fitted_on is not None}
    if not names:
        return None
    suites = plan.suites_folder(flags.suites)
    fit = read(names.pop(), results=folder.parent, suites=suites)
    if not fit.added and any(cell.protocol == ADDED for cell in fitted_cells):
        raise DataError(
            f"fitted_on: {fit.suite} has no rows of {ADDED}: add it to its protocols and run it first"
        )
    return fit


class FittedBox(SingleBox):
    """``single_box`` with rows at thresholds that were chosen on another suite."""

    row_source = FITTED

    def __init__(self, thresholds: Mapping[str, float]) -> None:
        """Set the threshold of each finding."""
        self.thresholds = thresholds

    def choose(self, scored: Indexed, seed: int, validation: Indexed) -> ThresholdsBySource:
        """Return the thresholds of all sources; the given ones are ``fitted``."""
        _, index = scored
        fitted = score_thresholds.of_findings(self.thresholds, index)
        return {FITTED: fitted, **super().choose(scored, seed, validation)}


@dataclass(frozen=True, eq=False)
class FittedCases:
    """Cases of a model, with ``prior`` and ``fixed_box`` of another suite."""

    source: CaseSource
    fit: Fit

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""
        return self.source.findings

    @property
    def groups(self) -> dict[str, dict[Pair, str]]:
        """Variable -> (image, finding) -> group of the case."""
        return self.source.groups

    def validation(self, cell: Cell) -> list[Case]:
        """Return no case: the thresholds are given."""
        return []

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell; those of ``prior`` and ``fixed_box`` have the map or box of the other suite."""
        model_cases = self.source.cases(cell)
        fitted_cases = [case for case in model_cases if case.finding in self.fit.findings]
        if cell.method == PRIOR:
            return [with_prior(case, self.fit) for case in fitted_cases]
        if cell.method == FIXED_BOX:
            return [with_fixed_box(case, self.fit) for case in fitted_cases]
        return model_cases


def with_prior(case: Case, fit: Fit) -> Case:
    """Return the case with the map of ``prior``."""
    values = fit.priors[case.finding]
    height, width = values.shape
    return dataclasses.replace(case, map=values, grid=conventional(case.frame, (height, width)))


def with_fixed_box(case: Case, fit: Fit) -> Case:
    """Return the case with the box of ``fixed_box``, in the frame of its image, with confidence 1."""
    height, width = case.frame
    box = fit.fixed_boxes[case.finding] * (width, height, width, height)
    return dataclasses.replace(case, submitted_boxes=np.append(box, 1.0)[None])


def score(fit: Fit, source: CaseSource, cell: Cell) -> Scored:
    """Return the fields of the record of a fitted cell, and its rows per case."""
    try:
        protocol = fit.protocol_of(cell)
    except NotAvailableError as error:
        return {"status": "n/a", "reason": str(error)}, []
    return score_maps(FittedCases(source, fit), cell, protocol)
