"""Cases of an external entry and of its baselines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from locus.benchmark.external.entry import ExternalEntry
from locus.benchmark.external.maps import MAX_CACHED, Map
from locus.benchmark.maps import strata
from locus.benchmark.maps.baselines import Prior, Truth
from locus.benchmark.maps.cases import make_case
from locus.benchmark.records import Cell
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import NOT_GIVEN, Case, LazyMap
from locus.core.errors import NotAvailableError
from locus.core.frames import Grid, conventional
from locus.core.names import CENTER, NOISE, PRIOR, UPPER_BOUND
from locus.core.types import Sample
from locus.methods.center import Center
from locus.methods.noise import Noise

ScoredCase = tuple[Sample, str, float]
"""An image, a finding and its label."""
PRIOR_MAPS = Prior()
SIDE = PRIOR_MAPS.side
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
        cases = (self._case(*pair) for pair in _pairs(self.entry.samples, self.findings))
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
        samples = [sample for sample in self.entry.samples if sample.boxes]
        probabilities, pairs = self.entry.probabilities, _pairs(samples, self.findings)
        shape, grid = self._shape, self.entry.geometry.on(self._shape)
        if name == PRIOR:
            shape, grid = (SIDE, SIDE), conventional(grid.size, (SIDE, SIDE))
        return [
            make_case(sample, finding, label, values, grid, probability=probabilities.get((sample.image_id, finding)))
            for (sample, finding, label), values in zip(pairs, self._maps(name, samples, grid, shape), strict=True)
            if finding not in sample.boxes or not self._is_skipped((sample.image_id, finding))
        ]

    def _maps(
        self, name: str, samples: Sequence[Sample], grid: Grid, shape: tuple[int, int]
    ) -> Sequence[Map | LazyMap]:
        """Return a baseline's maps of all cases: in memory, or computed on each access if they exceed the limit."""
        fits = len(samples) * len(self.findings) * shape[0] * shape[1] * 4 <= MAX_CACHED
        if name == PRIOR:  # one map per fold and finding, shared by many cases
            fold, means = PRIOR_MAPS.by_fold(samples, self.findings)
            maps = [one for number in fold for one in means[number]]
            return maps if fits else [LazyMap(shape, partial(np.asarray, one)) for one in maps]
        if name == UPPER_BOUND and fits:  # masks are read once per image
            return list(Truth().maps(samples, self.findings, grid, shape)[0].reshape(-1, *shape))
        make = [partial(_baseline_map, name, s, f, grid, shape) for s in samples for f in self.findings]
        return [one() for one in make] if fits else [LazyMap(shape, one) for one in make]

    def _is_skipped(self, pair: tuple[str, str]) -> bool:
        """Return True if a case with truth is excluded from all rows because it has no map."""
        entry = self.entry
        return entry.boxes is None and entry.missing == "skip" and pair not in entry.values

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Most frequent shape (h, w) of the maps."""
        shapes = Counter((values.shape[0], values.shape[1]) for values in self.entry.values.values())
        return shapes.most_common(1)[0][0] if shapes else (SIDE, SIDE)


def _baseline_map(name: str, sample: Sample, finding: str, grid: Grid, shape: tuple[int, int]) -> Map:
    """Return a baseline's map of one case, with the ``grid`` and ``shape`` (h, w) of the external maps."""
    if name == CENTER:
        return Center().gaussian(grid, shape).numpy()
    if name == NOISE:
        return Noise().draw(sample.image_id, finding, shape)
    return Truth().maps([sample], [finding], grid, shape)[0][0, 0]


def _pairs(samples: Sequence[Sample], findings: Sequence[str]) -> list[ScoredCase]:
    """Return all pairs of image and finding with their labels."""
    return [(s, f, label) for s in samples for f, label in zip(findings, s.labels.tolist(), strict=True)]
