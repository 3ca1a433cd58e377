"""The stored maps of a model's methods as cases: image x finding, on the test images and on those of validation."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from benchmark.maps import strata
from benchmark.maps.obtain import NoMapsError, StoredMapsByMethod
from benchmark.maps.reader import StoredMaps
from benchmark.maps.trained import TrainingRun, select_samples
from benchmark.records import Cell
from benchmark.scoring.protocols.base import Case, FileMap
from core.errors import LocusError
from core.frames import Alignment, Grid
from core.types import Sample
from datasets.lungs import OUTSIDE, lung_reader


@dataclass
class CaseStore:
    """A model's trainings and maps; all protocols of a method share its cases, and what they compute of a map."""

    trained: Sequence[TrainingRun]
    maps: StoredMapsByMethod
    validation_runs: Sequence[TrainingRun] = ()
    """The same trainings with their validation images."""
    validation_maps: StoredMapsByMethod = field(default_factory=dict)
    _method: tuple[str, str] = ("", "")
    """Method and alignment of the cases in memory: one method's at a time."""
    _cases: dict[tuple[str, int | None], list[Case]] = field(default_factory=dict, repr=False)
    """(split, images) -> cases."""

    @cached_property
    def findings(self) -> tuple[str, ...]:
        """In the order of the logits."""
        return self.trained[0].data.findings

    @cached_property
    def exclusive(self) -> bool:
        """Whether an image has exactly one finding."""
        return self.trained[0].config.exclusive(len(self.findings))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What the trainings wrote of their validation and test images: see ``read_predictions``."""
        return read_predictions(self.trained)

    @cached_property
    def probabilities(self) -> dict[tuple[int, str, str], float]:
        """(training, image, finding) -> what the classifier says; nothing where a training kept no predictions."""
        if not all(run.has_predictions for run in self.trained):
            return {}
        logits = self.predictions[[f"logit_{finding}" for finding in self.findings]].to_numpy(dtype=np.float64)
        said = softmax(logits, axis=1) if self.exclusive else expit(logits)
        rows = pd.MultiIndex.from_frame(self.predictions[["training", "image"]])
        answers: Any = pd.DataFrame(said, rows, self.findings)
        return answers.stack(future_stack=True).to_dict()

    @cached_property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> the group that a case is in: see ``benchmark.maps.strata``."""
        return strata.group_labels(select_samples(self.trained, None), self.predictions, self.findings, self.exclusive)

    def cases(self, cell: Cell) -> list[Case]:
        """The cases of a cell. Raises the error that says why its method has no maps."""
        return self._load_cases("test", self.trained, self.maps, cell, cell.images)

    def validation(self, cell: Cell) -> list[Case]:
        """The cases on which a cell's thresholds may be chosen; none where its method has no validation maps.

        Raises ``NoMapsError`` where they are missing and not to be made.
        """
        has_maps = isinstance(self.validation_maps.get(cell.method), StoredMaps | NoMapsError)
        return self._load_cases("val", self.validation_runs, self.validation_maps, cell, None) if has_maps else []

    def _load_cases(
        self, split: str, runs: Sequence[TrainingRun], maps: StoredMapsByMethod, cell: Cell, images: int | None
    ) -> list[Case]:
        stored = maps[cell.method]
        if isinstance(stored, LocusError):
            raise stored
        if self._method != (cell.method, cell.alignment):
            self._method = cell.method, cell.alignment
            self._cases.clear()
        if (split, images) not in self._cases:
            cases, said = make_cases(runs, stored, cell.alignment, images), self.probabilities
            with_said = [replace(c, probability=said.get((c.training, c.image_id, c.finding))) for c in cases]
            self._cases[split, images] = with_said
        return self._cases[split, images]


def make_cases(
    trained: Sequence[TrainingRun], maps: StoredMaps, alignment: str, images: int | None = None
) -> list[Case]:
    """Every image of the trainings' ``scorable_images``, or the ``images`` that slow methods explain, x every finding.

    The lungs are there for the findings that the image shows: what lights up for one that it does not is no
    explanation.
    """
    grid: Grid | Alignment = maps.index.grid if alignment == "aligned" else "conventional"
    number = {sample.image_id: n for n, run in enumerate(trained) for sample in run.scorable_images}
    return [
        make_case(sample, finding, label, _stored(maps, sample, finding), grid, training=number[sample.image_id])
        for sample in select_samples(trained, images)
        for finding, label in zip(trained[0].data.findings, sample.labels.tolist(), strict=True)
    ]


def _stored(maps: StoredMaps, sample: Sample, finding: str) -> NDArray[np.float16] | FileMap | None:
    """The map of a case; of one that was not made, what raises ``NotMadeError`` when a protocol asks for its values."""
    if (sample.image_id, finding) in maps:
        return maps.stored(sample.image_id, finding)
    return FileMap(maps.index.shape[1:], partial(_not_made, maps, sample.image_id, finding))


def _not_made(maps: StoredMaps, image: str, finding: str) -> NDArray[np.float16]:
    return np.asarray(maps.stored(image, finding))


def make_case(
    sample: Sample,
    finding: str,
    label: float,
    values: NDArray[np.floating[Any]] | FileMap | None,
    grid: Grid | Alignment,
    **more: Any,
) -> Case:
    """The truth of one finding in ``sample`` with the (h,w) map that is shown for it; ``more`` fields of the case.

    Boxes are in the sample's frame, (0,4) where the finding has none; ``values`` None: the method failed here.
    """
    return Case(
        image_id=sample.image_id,
        patient_id=sample.patient_id,
        finding=finding,
        map=values,
        grid=grid,
        frame=sample.frame,
        boxes=sample.boxes.get(finding, np.zeros((0, 4))),
        read_mask=None if sample.read_masks is None else partial(_mask, sample, finding),
        read_lungs=lung_reader(sample) if label == 1 and finding not in OUTSIDE else None,
        label=label,
        **more,
    )


def _mask(sample: Sample, finding: str) -> NDArray[np.bool_]:
    """(H,W) the truth mask of one finding; empty where the image does not show it."""
    mask = sample.masks.get(finding)
    return np.zeros(sample.frame, dtype=bool) if mask is None else mask


def read_predictions(trained: Sequence[TrainingRun]) -> pd.DataFrame:
    """The predictions of all trainings, a row per image and training.

    Columns: ``image``, ``patient``, ``split``, ``boxed``, ``label_F`` and ``logit_F`` per finding F, and ``training``,
    which counts them: with k folds an image is held out by one and may be a validation image of another.
    """
    return pd.concat([run.read_predictions().assign(training=n) for n, run in enumerate(trained)], ignore_index=True)
