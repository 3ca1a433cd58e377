"""The base of all protocols: a case to score, a result, and how a heat map becomes a surface."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.statistics.patients import CaseIndex
from benchmark.scoring.surface import Surface, min_max, surface
from benchmark.scoring.surface.trace import GivenBoxes
from core.frames import Alignment, Grid
from core.scores import Origin, Score
from core.types import FloatArray

AT_A_TIME = 16
"""So many cases have all boxes of their maps in memory: noise of 1024×1024 has a hundred thousand of them."""
FLAT = "flat map"
"""The reason of a miss that is the map's answer and no failure of the run."""
NO_BOX, NOT_GIVEN = "no box", "no map was given"
"""The same where boxes, or others' maps, were given for other images or findings."""


@dataclass(frozen=True, eq=False)
class FileMap:
    """A map that is read when NumPy asks for its values, and not kept: thousands of large ones fit in memory."""

    shape: tuple[int, ...]
    """(h, w)."""
    read: Callable[[], NDArray[np.floating[Any]]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The values, as NumPy asks for them."""
        return np.asarray(self.read(), dtype=dtype)


@dataclass(frozen=True, eq=False)
class Case:
    """One image × finding: what a method showed, and the truth."""

    image_id: str
    patient_id: str
    finding: str
    map: "NDArray[np.floating[Any]] | FileMap | None"
    """(h,w) heat map up to a positive factor, which scores never see; None where the method failed.

    A map with nan or inf counts as failed too.
    """
    grid: Grid | Alignment
    """Where the map's positions look, or the word ``conventional``."""
    frame: tuple[int, int]
    """(H, W) of the image as published: the frame of ``boxes``."""
    boxes: FloatArray
    """(M,4) truth xyxy in ``frame``; (0,4) where the image has boxes of other findings only."""
    read_mask: Callable[[], NDArray[np.bool_]] | None = None
    """Draws ``mask``, where the data set has masks."""
    read_lungs: Callable[[], NDArray[np.bool_]] | None = None
    """Draws ``lungs``, where the data set has them."""
    reason: str = ""
    """Why ``map`` is None, where the caller knows."""
    training: int = 0
    """Number of the training whose network made the map: thresholds from validation images hold within it alone."""
    label: float = float("nan")
    """Whether the image shows the finding: 1, 0, or nan where nobody knows; with a truth box it does."""
    probability: float | None = None
    """What the classifier says of the finding, in [0,1]; None where nobody asked it."""
    submitted_boxes: FloatArray | None = None
    """(M,5) boxes xyxy in ``frame`` and their confidence in [0,1], in place of ``map``."""

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(H,W) truth mask in ``frame``, drawn when asked for; None where there are boxes only."""
        return None if self.read_mask is None else self.read_mask()

    @property
    def lungs(self) -> NDArray[np.bool_] | None:
        """(H,W) mask of both lungs in ``frame``; None where the data set has none."""
        return None if self.read_lungs is None else self.read_lungs()

    @property
    def load_surface(self) -> "tuple[Surface | None, str]":
        """The surface of the map, min-max scaled over its positions to [0,1]; or None and why it is a miss.

        It is computed once, whatever the number of protocols; of a map that lies in a file whenever it is asked for.
        """
        return _scaled(self) if isinstance(self.map, FileMap) else self._kept

    _kept = cached_property(lambda self: _scaled(self))

    @property
    def prediction(self) -> tuple[Surface | GivenBoxes | None, str]:
        """The given boxes, or the surface of the map; or None and why it is a miss."""
        if self.submitted_boxes is None:
            return self.load_surface
        return (GivenBoxes.from_rows(self.submitted_boxes), "") if len(self.submitted_boxes) else (None, NO_BOX)


Cases = Sequence[Case]


@dataclass(frozen=True)
class Result:
    """What a protocol says about one method."""

    scores: list[Score]
    """Per finding and ``mean``."""
    rows: list[dict[str, Any]]
    """Per case: image, patient, finding, threshold, box …; the columns are the protocol's own."""
    thresholds: Mapping[Origin, Any] = field(default_factory=dict)
    """Origin -> finding -> what was chosen; JSON-able."""
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    """(image, finding, reason) of the cases without a usable map: misses that a run must report."""
    hits_by_threshold: Sequence[float] = ()
    """The main metric at each of ``CURVE_THRESHOLDS``, mean over findings; empty where the protocol states none."""
    remark: str = ""
    """What a reader must know beside the scores; it is stored as the record's ``reason``."""


class Protocol(ABC):
    """A way to score. A subclass sets ``name`` and ``main`` and writes ``evaluate``."""

    name: ClassVar[str]
    main: ClassVar[str]
    """The metric that speaks for it; where boxes stand in for masks, its name may end in ``@box``."""
    geometry: ClassVar[str] = "surface"
    """What its boxes are computed on: surface or pixels."""
    chooses: ClassVar[bool] = False
    """Whether it chooses score thresholds on truth, so that validation cases matter to it."""
    judges: ClassVar[str] = "maps"
    """``maps``; ``confidences``: boxes with confidences; or ``raw``: values that are not scaled.

    A suite has a protocol of the last two kinds only where it names it.
    """
    counts_false_alarms: ClassVar[bool] = False
    """Whether it looks at the maps of findings that an image does not have."""
    takes_boxes: ClassVar[bool] = False
    """Whether boxes can be given in place of maps."""

    @abstractmethod
    def evaluate(self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()) -> Result:
        """Score the ``cases`` of one method: every image with any truth box × all ``findings``.

        ``validation`` holds the same method's cases on the validation split; none where that has no truth box.
        """


def with_truth(cases: Cases) -> list[Case]:
    """The localization cases: image × finding pairs with at least one truth box."""
    return [case for case in cases if len(case.boxes)]


def of_findings(cases: Cases, findings: Sequence[str]) -> list[Case]:
    """The cases with truth of the ``findings``: what is scored, and who can choose a threshold."""
    return [case for case in with_truth(cases) if case.finding in findings]


def case_index(cases: Cases) -> CaseIndex:
    """Finding, patient and training of the cases."""
    return CaseIndex.of([c.finding for c in cases], [c.patient_id for c in cases], [c.training for c in cases])


def finite_map(case: Case) -> tuple[FloatArray | None, str]:
    """The (h,w) map of a case as it is; or None and the reason why it failed."""
    if case.map is None:
        return None, case.reason or "no map"
    values = np.asarray(case.map, dtype=np.float64)
    return (values, "") if np.isfinite(values).all() else (None, "nan or inf in the map")


def _scaled(case: Case) -> tuple[Surface | None, str]:
    values, reason = finite_map(case)
    if values is None:
        return None, reason
    scaled = surface(min_max(values), case.frame, case.grid)
    return (None, FLAT) if scaled.flat else (scaled, "")  # all that stands out may lie outside the frame


def batches(n_cases: int) -> Iterator[slice]:
    """The numbers of the cases, a few at a time; one empty part of none."""
    return (slice(start, start + AT_A_TIME) for start in range(0, max(n_cases, 1), AT_A_TIME))


def failures(cases: Cases, reasons: Sequence[str]) -> list[tuple[str, str, str]]:
    """(image, finding, reason) of each case that failed; what was not shown is a miss, not a failure."""
    misses = ("", FLAT, NO_BOX, NOT_GIVEN)
    return [(c.image_id, c.finding, why) for c, why in zip(cases, reasons, strict=True) if why not in misses]


def common_columns(case: Case, reason: str) -> Mapping[str, Any]:
    """The columns with which every row of every protocol begins."""
    return {"image": case.image_id, "patient": case.patient_id, "finding": case.finding, "reason": reason}
