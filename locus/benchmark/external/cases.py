"""Cases of an external entry and of its baselines."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from locus.benchmark.external.entry import ExternalEntry
from locus.benchmark.external.maps import MAX_CACHED
from locus.benchmark.maps import strata
from locus.benchmark.maps.baselines import Prior
from locus.benchmark.maps.cases import baseline_cases, labelled_pairs, make_case
from locus.benchmark.records import Cell
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import NOT_GIVEN, Case
from locus.core.errors import NotAvailableError
from locus.core.types import Sample

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
        if cell.method == self.entry.name:
            self._check(cell.protocol)
        if cell.method not in self._last:
            cases = self._entry() if cell.method == self.entry.name else self._baseline(cell.method)
            self._last = {cell.method: cases}
        return self._last[cell.method]

    def validation(self, cell: Cell) -> list[Case]:
        """Return no cases: external maps are of test images only."""
        return []

    @property
    def n_missing_maps(self) -> int:
        """Number of cases with truth but without a map."""
        pairs = ((sample.image_id, finding) for sample in self.entry.samples for finding in sample.boxes)
        return 0 if self.entry.boxes is not None else sum(pair not in self.entry.values for pair in pairs)

    def _check(self, protocol: str) -> None:
        part, entry = protocols.get(protocol), self.entry
        if entry.boxes is not None and not part.takes_boxes:
            raise NotAvailableError(f"{protocol} scores maps, but this entry has boxes")
        pairs = len(entry.samples) * len(self.findings)
        if entry.boxes is None and part.counts_false_alarms and len(entry.values) < pairs:
            raise NotAvailableError(
                f"{protocol} also needs the maps of findings that an image does not show: {pairs - len(entry.values)} "
                f"of {pairs} maps of the boxed images are missing"
            )
        if entry.boxes is None and part.judges == "confidences" and not entry.probabilities:
            raise NotAvailableError(f"{protocol} ranks boxes by confidence: use --predictions FILE")

    def _entry(self) -> list[Case]:
        cases = (self._case(*pair) for pair in labelled_pairs(self.entry.samples, self.findings))
        return [case for case in cases if case is not None]

    def _case(self, sample: Sample, finding: str, label: float) -> Case | None:
        entry, pair = self.entry, (sample.image_id, finding)
        if entry.boxes is not None:
            boxes = entry.boxes.get(pair, np.zeros((0, 5)))
            return make_case(sample, finding, label, None, "conventional", submitted_boxes=boxes)
        values = entry.values.get(pair)
        if values is None and (finding not in sample.boxes or self._is_skipped(pair)):
            return None
        more = {"probability": entry.probabilities.get(pair), "reason": NOT_GIVEN}
        return make_case(sample, finding, label, values, entry.geometry.grid, **more)

    def _baseline(self, name: str) -> list[Case]:
        entry, shape = self.entry, self._shape
        samples = [sample for sample in entry.samples if sample.boxes]
        cases = baseline_cases(name, samples, entry.data, entry.geometry.on(shape), shape, MAX_CACHED)
        pairs = [(case.image_id, case.finding) for case in cases]
        return [
            replace(case, probability=entry.probabilities.get(pair))
            for case, pair in zip(cases, pairs, strict=True)
            if not len(case.boxes) or not self._is_skipped(pair)
        ]

    def _is_skipped(self, pair: tuple[str, str]) -> bool:
        """Return True if a case with truth is excluded from all rows because it has no map."""
        entry = self.entry
        return entry.boxes is None and entry.missing == "skip" and pair not in entry.values

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Most frequent shape (h, w) of the maps."""
        shapes = Counter((values.shape[0], values.shape[1]) for values in self.entry.values.values())
        return shapes.most_common(1)[0][0] if shapes else (SIDE, SIDE)
