"""Score an external entry and its baselines: their cases, and a record per method and protocol."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from locus.benchmark.evaluation.entry import ExternalEntry
from locus.benchmark.evaluation.files import MAX_CACHED
from locus.benchmark.evaluation.scorer import Rows, score_maps, scored, shared_fields
from locus.benchmark.maps import strata
from locus.benchmark.maps.baselines import Prior
from locus.benchmark.maps.cases import baseline_cases, training_cases
from locus.benchmark.maps.fixed_region import fixed_cases
from locus.benchmark.records import Cell, Record
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Case
from locus.core.names import FIXED_BOX, FIXED_POINT, OF_TRAINING_PART

MODEL = "external"
"""Model id of all records of external entries, whose networks are unknown."""
SIDE = Prior().side
"""Side of the baselines' maps for entries of boxes, which have no grid."""


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
        return strata.without_classifier(self.entry.samples, self.findings)

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises ``NotAvailableError`` if the entry lacks the input of its protocol."""
        answers, is_own = self.entry.answers, cell.method == self.entry.name
        if is_own:
            answers.require(cell.protocol)
        if is_own:
            return answers.cases(cell)
        if cell.method in OF_TRAINING_PART:
            return fixed_cases(cell.method, cell.protocol, self.entry.data, self.entry.data)
        if cell.method not in self._last:
            self._last = {cell.method: self._baseline(cell.method)}
        return self._last[cell.method]

    def validation(self, cell: Cell) -> list[Case]:
        """Return the training part for its baselines, else no cases: external maps are of test images only."""
        return training_cases(cell, self.entry.data)

    def _baseline(self, name: str) -> list[Case]:
        entry, shape = self.entry, self._shape
        samples = [sample for sample in entry.samples if sample.boxes]
        cases = baseline_cases(name, samples, entry.data, entry.geometry.on(shape), shape, MAX_CACHED)
        skipped = entry.missing_maps if entry.missing == "skip" else set()
        return [
            replace(case, probability=entry.probabilities.get(pair))
            for case in cases
            if (pair := (case.image_id, case.finding)) not in skipped
        ]

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Most frequent shape (h, w) of the maps."""
        shapes = Counter((values.shape[0], values.shape[1]) for values in self.entry.values.values())
        return shapes.most_common(1)[0][0] if shapes else (SIDE, SIDE)


def score(entry: ExternalEntry, baselines: Sequence[str]) -> list[tuple[Record, Rows]]:
    """Return the records and the rows per case of the entry, then of ``baselines``, for each protocol.

    Protocols that the entry does not support are skipped for the baselines.
    """
    baselines = [*baselines, *(OF_TRAINING_PART if entry.data.training_part is not None else ())]
    methods, score_cell = (entry.name, *baselines), partial(score_maps, EntryCases(entry))
    planned = [_cell(entry, method, word) for method in methods for word in _protocol_names(entry, method)]
    shared = {**shared_fields([entry.data]), "rests_on": _counts(entry)}
    of_entry = [cell for cell in planned if cell.method == entry.name]
    given = [*scored(of_entry, score_cell, {**shared, "source": "external"}, entry.name)]
    lacking = {record.cell.protocol for record, _ in given if record.status == "n/a"}
    others = [cell for cell in planned if cell.method != entry.name and cell.protocol not in lacking]
    return [*given, *scored(others, score_cell, shared, "baselines")]


def _protocol_names(entry: ExternalEntry, method: str) -> list[str]:
    """Return the protocols of the entry or of a baseline, which has no confidences."""
    of_masks = protocols.judging("masks") if entry.data.training_part is not None else []
    if method in OF_TRAINING_PART:
        of_points = [word for word in (*of_masks, "pointing") if protocols.get(word).takes_boxes]
        return of_points if method == FIXED_POINT else [word for word in of_masks if word not in of_points]
    if method == FIXED_BOX or (entry.boxes is not None and method != entry.name):
        return protocols.of_boxes()
    if entry.boxes is not None:
        return [word for word in protocols.names() if protocols.get(word).takes_boxes]
    of_maps = protocols.judging("maps", "confidences") if entry.probabilities else protocols.of_maps()
    return [*of_maps, *of_masks]


def _cell(entry: ExternalEntry, method: str, protocol: str) -> Cell:
    data = entry.data
    return Cell(
        dataset=data.name,
        partition=str(data.describe.get("partition", "")),
        split="test",
        model_id=MODEL,
        method=method,
        alignment=entry.geometry.alignment,
        protocol=protocol,
        data={"findings": len(data.findings)},
        recipe=entry.recipe,
    )


def _counts(entry: ExternalEntry) -> dict[str, Any]:
    """Return the numbers of images, patients, cases and boxes behind an entry, and its declared training data."""
    boxed = [sample for sample in entry.samples if sample.boxes]
    counts: dict[str, Any] = {
        "test images": len(entry.data),
        "boxed images": len(boxed),
        "patients": len({sample.patient_id for sample in boxed}),
        "cases": sum(len(sample.boxes) for sample in boxed),
        "truth boxes": sum(len(boxes) for sample in boxed for boxes in sample.boxes.values()),
        "cases without a map": len(entry.missing_maps),
    }
    if entry.boxless:
        counts["images without a box"] = len(entry.boxless)
    if entry.trained_on:
        counts["trained on (declared)"] = entry.trained_on
    return counts
