"""What the scorer takes: cases, from any source, and the one step that scores them by a protocol.

``CaseSource``  the cases of a cell: of stored maps, of maps or boxes made elsewhere, of a grid
``evaluate``    score the cases of a cell by its protocol
``Answers``     maps or boxes made elsewhere, in arrays or in files, with the truth of their images
``as_map``      check one map

Nothing here imports torch or pandas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.records import Cell
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import NOT_GIVEN, Case, LazyMap, Result, make_case
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.core.errors import LocusError, NotAvailableError
from locus.core.frames import Alignment, Grid
from locus.core.types import FloatArray, Sample

Pair = tuple[str, str]
"""Image and finding."""
GridLike = Grid | Alignment


class CaseSource(Protocol):
    """Source of cases for cells: a model's stored maps, or maps and boxes made elsewhere."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises an error with the reason if there are none."""

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases on which the thresholds of a cell may be chosen."""


@ONE_BLAS_THREAD
def evaluate(source: CaseSource, cell: Cell) -> Result:
    """Score the cases of a cell by its protocol. Raises the error of a source without cases for this protocol."""
    protocol = protocols.get(cell.protocol)()
    cases = source.cases(cell)
    validation = source.validation(cell) if protocol.chooses_thresholds else []
    result: Result = protocol.evaluate(cases, source.findings, cell.data_seed, validation)
    return result


@dataclass(frozen=True, eq=False)
class Answers:
    """Maps or boxes made elsewhere, checked, with the truth of their images."""

    samples: Mapping[str, Sample]
    """Image -> its truth, with labels in the order of ``findings``."""
    findings: tuple[str, ...]
    pairs: Sequence[Pair]
    """The cases, in order."""
    grids: Mapping[Pair, GridLike]
    """Positions of the maps in the image."""
    maps: Mapping[Pair, "NDArray[np.floating[Any]] | LazyMap | None"] = field(default_factory=dict)
    """(h,w) maps; None: the method failed."""
    boxes: Mapping[Pair, FloatArray] | None = None
    """(M,5) boxes and confidences, which replace maps; None for maps."""
    probabilities: Mapping[Pair, float | None] = field(default_factory=dict)

    def require(self, protocol: str) -> None:
        """Raise ``NotAvailableError`` if the protocol scores something else, or needs more maps."""
        part = protocols.get(protocol)
        if self.boxes is not None and not part.takes_boxes:
            raise NotAvailableError(f"{protocol} scores maps, but this entry has boxes")
        boxed = [(name, finding) for name, s in self.samples.items() if s.boxes for finding in self.findings]
        n_missing = sum(pair not in self.maps for pair in boxed)
        if self.boxes is None and part.counts_false_alarms and n_missing:
            raise NotAvailableError(
                f"{protocol} also needs the maps of findings that an image does not show: {n_missing} of {len(boxed)} "
                "maps of the boxed images are missing"
            )

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases, for the protocol of ``cell``. Raises the error of ``require``."""
        self.require(cell.protocol)
        every = self.boxes is not None or protocols.get(cell.protocol).judges == "masks"
        return [self._case(*pair) for pair in self.pairs if every or self.samples[pair[0]].boxes]

    def validation(self, cell: Cell) -> list[Case]:
        """Return no cases: there are test images only."""
        return []

    def _case(self, image: str, finding: str) -> Case:
        sample, pair = self.samples[image], (image, finding)
        given: dict[str, Any] = {"probability": self.probabilities.get(pair), "reason": NOT_GIVEN}
        if self.boxes is not None:
            given = {"submitted_boxes": self.boxes.get(pair, np.zeros((0, 5)))}
        label = float(sample.labels[self.findings.index(finding)])
        return make_case(sample, finding, label, self.maps.get(pair), self.grids[pair], **given)


def as_map(values: NDArray[Any], where: str, error: type[LocusError]) -> NDArray[Any]:
    """Return ``values`` if they are a map: real numbers (h,w). Raises ``error`` that names ``where`` for others."""
    if values.ndim != 2 or 0 in values.shape:
        raise error(f"{where} has the shape {values.shape}: a map must be (h, w)")
    if values.dtype.kind not in "buif":
        raise error(f"{where} has the type {values.dtype}: a map must contain real numbers")
    return values
