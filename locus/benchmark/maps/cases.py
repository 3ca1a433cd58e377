"""Cases (image × finding) with the stored maps of a model's methods, on the test and validation images."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from locus.benchmark import baselines
from locus.benchmark.baselines.fixed_box import MIN_PATIENTS, FixedBox
from locus.benchmark.baselines.fixed_region import TrainingPartBaseline, training_samples
from locus.benchmark.baselines.shuffled import Shuffled
from locus.benchmark.maps import subgroups
from locus.benchmark.maps.generate import StoredMapsByMethod
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.maps.store import StoredMaps
from locus.benchmark.records import Cell
from locus.core.baseline import BoxBaseline, FloatMap, MapBaseline
from locus.core.errors import BadValueError, LocusError, NotAvailableError
from locus.core.frames import Alignment, Grid, conventional
from locus.core.names import SHUFFLED
from locus.core.types import FloatArray, Sample, generator
from locus.datasets.base import Dataset
from locus.scoring.large_maps import LazyMap, MapMemory
from locus.scoring.protocols.base import (
    Case,
    labelled_pairs,
    make_case,
    with_truth,
)


@dataclass
class CaseStore:
    """A model's training runs and maps. All protocols of a method share its cases and their surfaces."""

    trained: Sequence[ModelRun]
    maps: StoredMapsByMethod
    validation_maps: StoredMapsByMethod = field(default_factory=dict)
    """Maps of the validation images of the training runs."""
    _method: tuple[str, str] = ("", "")
    """Method and alignment of the cached cases; only one method's cases are cached."""
    _cases: dict[tuple[str, int | None], list[Case]] = field(default_factory=dict, repr=False)
    """(split, images) -> cases."""
    _of_boxes: dict[tuple[str, int | None], list[Case]] = field(default_factory=dict, repr=False)
    """(baseline of boxes, images) -> its cases: ``fixed_box`` is slow to choose."""

    @cached_property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the logits."""
        return self.trained[0].data.findings

    @cached_property
    def exclusive(self) -> bool:
        """True if every image has exactly one finding."""
        return self.trained[0].config.exclusive(len(self.findings))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Predictions of the training runs for validation and test images, a row per image and run.

        Columns: ``image``, ``patient``, ``split``, ``boxed``, ``label_F`` and ``logit_F`` per finding F, and
        ``training``, the index of the run. With k folds, a test image of one run may be a validation image of another.
        """
        tables = [run.read_predictions().assign(training=n) for n, run in enumerate(self.trained)]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def probabilities(self) -> dict[tuple[int, str, str], float]:
        """(training, image, finding) -> classifier's probability."""
        logits = self.predictions[[f"logit_{finding}" for finding in self.findings]].to_numpy(
            dtype=np.float64
        )
        values = softmax(logits, axis=1) if self.exclusive else expit(logits)
        rows = pd.MultiIndex.from_frame(self.predictions[["training", "image"]])
        table: Any = pd.DataFrame(values, rows, self.findings)
        return table.stack(future_stack=True).to_dict()

    @cached_property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> group of the case; see ``locus.benchmark.maps.subgroups``."""
        samples = select_samples(self.trained, None)
        return subgroups.group_labels(samples, self.predictions, self.findings, self.exclusive)

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises the stored error if its method has no maps."""
        if cell.method == SHUFFLED:
            return shuffled_cases(self.cases(cell.model_copy(update={"method": Shuffled.method})))
        if baselines.gives_boxes(cell.method):
            return self._cases_of_boxes(cell)
        return self._load_cases("test", self.trained, self.maps, cell, cell.images)

    def _cases_of_boxes(self, cell: Cell) -> list[Case]:
        key = (cell.method, cell.images)
        if key not in self._of_boxes:
            baseline = baselines.build(cell.method)
            if not isinstance(baseline, BoxBaseline):
                raise BadValueError(f"{cell.method} has no boxes for the images of a network")
            samples = select_samples(self.trained, cell.images)
            self._of_boxes[key] = box_cases(baseline, samples, self.trained[0].data)
        return self._of_boxes[key]

    def validation(self, cell: Cell) -> list[Case]:
        """Return the validation cases for choosing a cell's thresholds; empty if its method has no validation maps."""
        if not isinstance(self.validation_maps.get(cell.method), StoredMaps):
            return []
        return self._load_cases(
            "val", [run.validation for run in self.trained], self.validation_maps, cell, None
        )

    def _load_cases(
        self,
        split: str,
        runs: Sequence[ModelRun],
        maps: StoredMapsByMethod,
        cell: Cell,
        images: int | None,
    ) -> list[Case]:
        stored = maps[cell.method]
        if isinstance(stored, LocusError):
            raise stored
        if self._method != (cell.method, cell.alignment):
            self._method = cell.method, cell.alignment
            self._cases.clear()
        if (split, images) not in self._cases:
            cases = make_cases(runs, stored, cell.alignment, images)
            self._cases[split, images] = [self._with_probability(case) for case in cases]
        return self._cases[split, images]

    def _with_probability(self, case: Case) -> Case:
        key = (case.training, case.image_id, case.finding)
        return replace(case, probability=self.probabilities.get(key))


@dataclass
class GridCases:
    """Cases of the rows that need neither a network nor an image, on a ``side`` x ``side`` grid of the whole image."""

    trained: Sequence[ModelRun]
    """One run without a network, for the truth of its test images."""
    side: int

    @property
    def data(self) -> Dataset:
        """The test images."""
        return self.trained[0].data

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""
        return self.data.findings

    @cached_property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> group of a case, for the variables that do not need a classifier."""
        return subgroups.without_classifier(self.trained[0].scorable_images, self.findings)

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a baseline or of the truth."""
        if baselines.is_of_training_part(cell.method):
            return cases_of_training_part(cell, self.data, self.data)
        samples = self.trained[0].scorable_images
        shape = (self.side, self.side)
        grid = conventional(samples[0].frame, shape)
        return baseline_cases(cell.method, samples, self.data, grid, shape)

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases of the training part for its baselines, else none: nothing is trained."""
        return training_cases(cell, self.data)


def shuffled_cases(cases: Sequence[Case]) -> list[Case]:
    """Return the cases with a truth box, each with the map of another patient's case of the same finding.

    The draw is seeded by the image and the finding, so it is the same in every run on the same cases. Raises
    ``NotAvailableError`` if one patient has all boxes of a finding.
    """
    by_finding: dict[str, list[Case]] = {}
    for case in sorted(with_truth(cases), key=lambda case: case.image_id):
        by_finding.setdefault(case.finding, []).append(case)
    shuffled = []
    for case in with_truth(cases):
        cases_of_others = [
            candidate
            for candidate in by_finding[case.finding]
            if candidate.patient_id != case.patient_id
        ]
        if not cases_of_others:
            raise NotAvailableError(
                f"{case.finding} has boxes of one patient: {SHUFFLED} needs the map of another one"
            )
        random = generator(0, SHUFFLED, case.image_id, case.finding)
        drawn_case = cases_of_others[random.integers(len(cases_of_others))]
        shuffled.append(
            replace(case, map=drawn_case.map, grid=drawn_case.grid, reason=drawn_case.reason)
        )
    return shuffled


def training_cases(cell: Cell, data: Dataset) -> list[Case]:
    """Return the cases of a baseline of the training part on that part; none for other baselines."""
    if not baselines.is_of_training_part(cell.method):
        return []
    return cases_of_training_part(cell, data, training_samples(data))


def cases_of_training_part(cell: Cell, data: Dataset, samples: Sequence[Sample]) -> list[Case]:
    """Return the cases of a baseline of the training part of ``data`` on ``samples``."""
    baseline = baselines.build(cell.method)
    if not isinstance(baseline, TrainingPartBaseline):
        raise BadValueError(
            f"{cell.method} has kind = 'training part': derive it from TrainingPartBaseline"
        )
    return baseline.cases(cell.protocol, data, samples)


def baseline_cases(
    name: str,
    samples: Sequence[Sample],
    data: Dataset,
    grid: Grid,
    shape: tuple[int, int],
    max_bytes: float = math.inf,
) -> list[Case]:
    """Return the cases of a baseline without a network, or of the truth.

    Args:
        name: the baseline.
        samples: images with truth boxes.
        data: their data set.
        grid: grid of the maps; ignored by baselines that have their own, such as ``prior``.
        shape: (h, w) of the maps; ignored by the same baselines.
        max_bytes: largest size of all maps together; beyond it, those of the truth are packed into bytes and the
            others are computed on each access.

    Returns:
        The cases of the images, in their order.

    Raises:
        UnknownNameError: no baseline has this name.
        BadValueError: the baseline has no maps without a network.
        NotAvailableError: ``fixed_box`` cannot be chosen.
    """
    baseline = baselines.build(name)
    if isinstance(baseline, BoxBaseline):
        return box_cases(baseline, samples, data)
    if not isinstance(baseline, MapBaseline):
        raise BadValueError(f"{name} has no maps without a network")
    grid, shape = baseline.geometry(grid, shape)
    pairs = labelled_pairs(samples, data.findings)
    is_too_large = len(pairs) * math.prod(shape) * 4 > max_bytes
    maps: list[FloatMap | LazyMap]
    if is_too_large or baseline.shares_maps:
        functions = baseline.map_functions(samples, data.findings, grid, shape)
        maps = _shared_maps(baseline, functions, shape, is_too_large)
    else:
        all_maps = baselines.maps_of(baseline, samples, data.findings, grid, shape)
        maps = [*all_maps.reshape(-1, *shape)]
    return [
        make_case(sample, finding, label, values, grid)
        for (sample, finding, label), values in zip(pairs, maps, strict=True)
    ]


def _shared_maps(
    baseline: MapBaseline,
    functions: Sequence[Callable[[], FloatMap]],
    shape: tuple[int, int],
    is_too_large: bool,
) -> list[FloatMap | LazyMap]:
    """Return the map of each function; cases with the same function, such as those of ``center``, share one."""
    memory = MapMemory(max_bytes=0)
    map_of: dict[Callable[[], FloatMap], FloatMap | LazyMap] = {}
    for function in functions:
        if function in map_of:
            continue
        if not is_too_large:
            map_of[function] = function()
        elif baseline.packs_large_maps:
            map_of[function] = memory.kept(function(), function)
        else:
            map_of[function] = LazyMap(shape, function)
    return [map_of[function] for function in functions]


def box_cases(baseline: BoxBaseline, samples: Sequence[Sample], data: Dataset) -> list[Case]:
    """Return the cases of a baseline of boxes on images with truth boxes, all of ``data``.

    Raises ``NotAvailableError`` if it needs the patients of ``data`` and they are not known, or for too few patients.
    """
    _require_patients(baseline, data)
    boxes_by_sample = baseline.boxes(samples, data.findings)
    if len(boxes_by_sample) != len(samples):
        raise BadValueError(
            f"the baseline {baseline.name!r} returned boxes of {len(boxes_by_sample)} images: return those "
            f"of all {len(samples)} images"
        )
    return _cases_with_boxes(samples, boxes_by_sample, data)


def cases_to_redraw(baseline: FixedBox, samples: Sequence[Sample], data: Dataset) -> list[Case]:
    """Return the cases of ``box_cases`` without boxes: each draw of the patient folds chooses its own.

    Raises ``NotAvailableError`` as ``box_cases`` does.
    """
    _require_patients(baseline, data)
    for finding in data.findings:
        patients = {sample.patient_id for sample in samples if finding in sample.boxes}
        if 0 < len(patients) < MIN_PATIENTS:
            baseline.boxes(samples, [finding])  # raises the error
    no_boxes: list[Mapping[str, FloatArray]] = [{} for _ in samples]
    return _cases_with_boxes(samples, no_boxes, data)


def _require_patients(baseline: BoxBaseline, data: Dataset) -> None:
    """Raise ``NotAvailableError`` if a baseline needs the patients of ``data`` and they are not known."""
    patients_unknown = str(data.describe.get("patients", "")).startswith("unknown")
    if data.describe.get("patients_named") is False:
        patients_unknown = True
    if baseline.needs_patients and patients_unknown:
        raise NotAvailableError(
            f"{baseline.name} is chosen on other patients, but the patients of these images are unknown"
        )


def _cases_with_boxes(
    samples: Sequence[Sample], boxes_by_sample: Sequence[Mapping[str, FloatArray]], data: Dataset
) -> list[Case]:
    """Return a case per image and finding; ``boxes_by_sample``: finding -> box (4,) of each image."""
    cases = []
    for sample, boxes in zip(samples, boxes_by_sample, strict=True):
        for finding, label in zip(data.findings, sample.labels.tolist(), strict=True):
            submitted = _with_confidence(boxes.get(finding))
            cases.append(
                make_case(sample, finding, label, None, "conventional", submitted_boxes=submitted)
            )
    return cases


def _with_confidence(box: FloatArray | None) -> FloatArray:
    return np.zeros((0, 5)) if box is None else np.append(box, 1.0)[None]


def make_cases(
    trained: Sequence[ModelRun], maps: StoredMaps, alignment: str, images: int | None = None
) -> list[Case]:
    """Make a case of each finding on each scorable image.

    Args:
        trained: the training runs of a model; each image is scored by the run that did not see it.
        maps: the stored maps of a method.
        alignment: ``aligned`` (the measured grid of the maps) or ``conventional``.
        images: number of images, for slow methods; None: all.

    Returns:
        The cases, image by image.
    """
    grid: Grid | Alignment = maps.index.grid if alignment == "aligned" else "conventional"
    run_index_of_image = {}
    for run_index, run in enumerate(trained):
        for sample in run.scorable_images:
            run_index_of_image[sample.image_id] = run_index
    samples = select_samples(trained, images)
    return [
        make_case(
            sample,
            finding,
            label,
            _map_of_case(maps, sample, finding),
            grid,
            training=run_index_of_image[sample.image_id],
        )
        for sample, finding, label in labelled_pairs(samples, trained[0].data.findings)
    ]


def _map_of_case(
    maps: StoredMaps, sample: Sample, finding: str
) -> NDArray[np.float16] | LazyMap | None:
    """Return the map of a case; if it was not generated, a map that raises ``NotMadeError`` when it is read."""
    if (sample.image_id, finding) in maps:
        return maps.stored(sample.image_id, finding)
    return LazyMap(maps.values.shape[1:], lambda: np.asarray(maps.stored(sample.image_id, finding)))
