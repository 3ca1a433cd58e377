"""The main protocol: one box per case, at a threshold of the map that is chosen on other patients.

A case is an image and a finding with a truth box; other images and findings are not scored.

The map, interpolated bilinearly between the positions of the feature map, is a surface; these positions are its
vertices. A component is a connected part of the surface above the threshold. ``otsu`` is a threshold from the map
alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from locus.benchmark.scoring import score_thresholds
from locus.benchmark.scoring.protocols import base
from locus.benchmark.scoring.protocols.base import Cases, Result
from locus.benchmark.scoring.protocols.pointing import distance
from locus.benchmark.scoring.score_thresholds import CROSS_FITTED, Indexed, ThresholdKey, ThresholdsBySource
from locus.benchmark.scoring.statistics.resample import SHARED_SUFFIX
from locus.benchmark.scoring.statistics.summary import Column
from locus.benchmark.scoring.surface.batch import Boxes, TruthBoxes
from locus.benchmark.scoring.surface.bilinear import Surface, whole_weights
from locus.benchmark.scoring.surface.trace import Trace, trace
from locus.core.compiled import compiled
from locus.core.frames import Grid, holds, resolve
from locus.core.names import MAIN
from locus.core.scores import CURVE_THRESHOLDS
from locus.core.types import FloatArray

DEFAULT_THRESHOLD = 0.5
IOU = 0.3
"""A box is a hit if its IoU with a truth box is larger."""
TENTHS = {"iou": (1, 3, 5), "iobb": (1, 5)}
"""Overlap -> tenths at which hits are counted. IoBB is the intersection divided by the area of the predicted box."""


class SingleBox(base.Protocol):
    """Share of cases whose single predicted box has IoU > .3 with a truth box; mean over findings (``hit@iou.3``).

    A map is scaled to [0,1]; the box is that of the surface component with the highest vertex, chosen without the
    truth. The threshold maximizes ``hit@iou.3`` exactly, over all thresholds in [0,1). If a range of thresholds is
    best, its middle is used; ties go to the larger mean IoU, then to the lower threshold. It is chosen on other
    patients (``cross-fitted``), on another suite (``fitted``), on the validation split (``validation``), on the scored
    cases (``oracle``), from the map alone (``otsu``), or is always .5 (``fixed``). There is one threshold per finding;
    ``hit@iou.3@shared`` uses one for all findings. ``optimism`` is oracle − cross-fitted. ``anyhit@iou.3`` is the share
    of truth boxes hit by the box of any component; read it with ``boxes_per_case``, since many boxes hit by chance.
    ``center_inside``: the box contains the centre of a truth box. ``out_of_reach``: share of cases whose truth is so
    small that no box of at least one grid cell has IoU > .3. A case without a box is a miss with IoU 0. Of submitted
    boxes, the one with the highest confidence is used at every threshold (of equal ones a random one, whatever their
    order), and its centre is the point for ``pointing``.
    """

    name = "single_box"
    main = MAIN
    chooses_thresholds = True
    takes_boxes = True
    row_source: ClassVar[ThresholdKey] = CROSS_FITTED
    """Threshold source of the rows per case."""

    def evaluate(self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()) -> Result:
        """Return all metrics for each threshold source, and one row per case at its threshold of ``row_source``."""
        scored, val_cases = base.of_findings(cases, findings), base.of_findings(validation, findings)
        batch, index, val_index = CaseBatch(scored), base.case_index(scored), base.case_index(val_cases)
        on_validation = CaseBatch(val_cases).selector, val_index
        chosen = self.choose((batch.selector, index), seed, on_validation)
        chosen |= {("fixed", ""): np.full(len(scored), DEFAULT_THRESHOLD), ("otsu", ""): batch.otsu}
        boxes_at = {key: BoxesAtThreshold(batch, key, thresholds) for key, thresholds in chosen.items()}
        box_counts = _count_boxes(batch, {key: chosen[key] for key in chosen if key[1] != SHARED_SUFFIX})
        pairs = [(boxes, box_counts.get(key)) for key, boxes in boxes_at.items()]
        columns = [column for boxes, counts in pairs for column in _columns(boxes, counts, batch.truth)]
        columns.append(Column("pointing", "none", batch.pointing, np.ones(len(scored))))
        reach = np.array([largest_iou(case) for case in scored], dtype=np.float64)
        columns.append(Column("out_of_reach", "none", reach <= IOU, np.isfinite(reach).astype(np.float64)))
        hits = batch.selector.oracle_hits(index.findings)[:, None]
        return Result(
            base.scores_with_optimism(columns, index, findings, seed, {MAIN: ("optimism", hits, np.ones(len(scored)))}),
            base.rows(scored, batch.reasons, _row_columns(batch, boxes_at, box_counts, self.row_source)),
            score_thresholds.distinct_thresholds(chosen, index),
            base.failures(scored, batch.reasons),
            hits_by_threshold(batch.selector.hits(CURVE_THRESHOLDS), index.findings),
        )

    def choose(self, scored: Indexed, seed: int, validation: Indexed) -> ThresholdsBySource:
        """Return the thresholds of all sources that use the truth."""
        return score_thresholds.choose(scored, DEFAULT_THRESHOLD, seed, validation)


def hits_by_threshold(hits: NDArray[np.bool_], findings: NDArray[np.str_]) -> list[float]:
    """Return the share of hits at each of T thresholds, mean over findings, from ``hits`` (N,T) and ``findings`` (N,).

    >>> hits_by_threshold(np.array([[1, 0], [1, 1], [0, 0]], bool), np.array(["Mass", "Mass", "Nodule"]))
    [0.5, 0.25]
    """
    shares = [hits[findings == finding].mean(0) for finding in np.unique(findings)]
    return np.mean(shares, axis=0).round(6).tolist() if shares else []


class CaseBatch:
    """Traces and peaks of N cases, before a threshold is applied.

    A trace is the box of the highest peak's component as a function of the threshold.
    """

    def __init__(self, cases: Sequence[base.Case]) -> None:
        self.cases = cases
        self.reasons: list[str] = []
        points, otsus = list[bool](), list[float]()

        def traces() -> Iterator[tuple[Trace, FloatArray]]:
            for case in tqdm(cases, desc="trace maps", unit="map", leave=False, delay=2, disable=None):
                prediction, reason = case.prediction
                self.reasons.append(reason)
                points.append(prediction is not None and distance(prediction.peak, case.boxes) == 0)
                otsus.append(otsu(prediction) if isinstance(prediction, Surface) else DEFAULT_THRESHOLD)
                yield trace(prediction), case.boxes

        self.selector = score_thresholds.ExactThresholds(IOU, traces())
        self.truth = self.selector.truth
        self.centres = [(case.boxes[:, :2] + case.boxes[:, 2:]) / 2 for case in cases]
        self.pointing = np.array(points, dtype=bool)
        """(N,) True if the highest vertex is inside a truth box."""
        self.otsu = np.array(otsus, dtype=np.float64)
        """(N,) Otsu's threshold of each map; arbitrary without a map."""


class BoxesAtThreshold(base.AtThreshold):
    """Boxes of N cases, each at its own threshold, and their overlaps with the truth (0 without a box)."""

    def __init__(self, batch: CaseBatch, key: ThresholdKey, thresholds: FloatArray) -> None:
        super().__init__(key, np.isfinite(thresholds))
        self.thresholds, self.boxes = thresholds, batch.selector.boxes(thresholds)
        self.iou, self.iobb = batch.truth.overlaps(self.boxes, np.arange(len(thresholds)))
        box_centres = zip(self.boxes, batch.centres, strict=True)
        self.center = np.array([holds(box, centres).any() for box, centres in box_centres], dtype=bool)

    def hits(self) -> dict[str, NDArray[np.bool_]]:
        """Return metric -> (N,) hits."""
        return {f"hit@{m}.{tenth}": getattr(self, m) > tenth / 10 for m, tenths in TENTHS.items() for tenth in tenths}


def largest_iou(case: base.Case) -> float:
    """Return the largest IoU of a truth box with any box of at least one grid cell; nan without a grid.

    >>> truth = np.array([[0.0, 0, 5, 10]])
    >>> largest_iou(base.Case("a", "a", "mass", np.zeros((2, 2)), "conventional", (20, 20), truth))
    0.5
    """
    grid = case.grid
    if case.map is not None and not isinstance(grid, Grid):
        grid = resolve(grid, (case.map.shape[0], case.map.shape[1]), case.frame)
    if case.submitted_boxes is not None or not isinstance(grid, Grid):
        return np.nan
    cell = np.array(grid.stride[::-1]) * case.frame[::-1] / np.array(grid.size[::-1])
    sides = case.boxes[:, 2:] - case.boxes[:, :2]
    return float((sides.prod(1) / np.maximum(sides, cell).prod(1)).max())


BoxCounts = tuple[FloatArray, FloatArray]
"""(N,) truth boxes hit by a box of any component of a case, and (N,) number of boxes."""


def _count_boxes(batch: CaseBatch, chosen: ThresholdsBySource) -> dict[ThresholdKey, BoxCounts]:
    thresholds = np.stack(list(chosen.values()), 1)
    hits, counts = np.zeros(thresholds.shape), np.zeros(thresholds.shape)
    for part in base.batches(len(batch.cases)):
        boxes = Boxes.from_surfaces((case.prediction[0] for case in batch.cases[part]), thresholds[part])
        truth = TruthBoxes.from_boxes([case.boxes for case in batch.cases[part]])
        hits[part] = truth.match_counts(boxes, 0, [IOU], thresholds.shape[1])[0, :, :, 0]
        counts[part] = boxes.counts(*thresholds[part].shape)
    return {key: (hits[:, n], counts[:, n]) for n, key in enumerate(chosen)}


def _columns(at: BoxesAtThreshold, box_counts: BoxCounts | None, truth: TruthBoxes) -> list[Column]:
    """Return the columns of one threshold source; only the main metric without ``box_counts`` (a shared threshold)."""
    hits = at.hits()
    if box_counts is None:
        return [at.column(MAIN, hits[MAIN])]
    many = [at.column("anyhit@iou.3", box_counts[0], truth.count), at.column("boxes_per_case", box_counts[1])]
    means = [at.column("mean_iou", at.iou), at.column("center_inside", at.center)]
    return [*(at.column(metric, hit) for metric, hit in hits.items()), *means, *many]


def _row_columns(
    batch: CaseBatch,
    at: Mapping[ThresholdKey, BoxesAtThreshold],
    box_counts: Mapping[ThresholdKey, BoxCounts],
    source: ThresholdKey,
) -> dict[str, ArrayLike]:
    chosen = at[source]
    edges = dict(zip(("x0", "y0", "x1", "y1"), chosen.boxes.T, strict=True))
    numbers = {"threshold": chosen.thresholds, **edges, "iou": chosen.iou, "iobb": chosen.iobb}
    anyhits, boxes = (count.astype(np.int64) for count in box_counts[source])
    counts = {"boxes": boxes, "truths": batch.truth.count, "anyhits": anyhits}
    others = {
        key: {"threshold": one.thresholds, "iou": np.where(one.has_threshold, one.iou, np.nan)}
        for key, one in at.items()
        if one is not chosen
    }
    hits = {**chosen.hits(), "center_inside": chosen.center, "pointing": batch.pointing}
    return {**numbers, **hits, **counts, **base.other_sources(others)}


def otsu(heat: Surface) -> float:
    """Return Otsu's threshold in the unit of the map; the only value of a flat surface.

    Otsu, "A threshold selection method from grey-level histograms", IEEE Trans. SMC 9 (1979), equation 18: the split
    with the largest variance between the classes, w0·w1·(m1 - m0)², where w are their weights and m their means. There
    is no histogram: the values at the vertices are weighted as in the surface's integral over the frame, so that a
    vertex at the edge counts for the whole area it covers. All splits between distinct values are tried; the threshold
    is the middle of the best gap, the lowest on ties.

    >>> from locus.benchmark.scoring.surface import surface
    >>> otsu(surface([[0, 1, 7, 9]], (10, 40), "conventional"))
    4.0
    """
    height, width = heat.frame
    rows, columns = whole_weights(heat.y, height), whole_weights(heat.x, width)
    values, weights = heat.values.ravel(), (rows.T * columns).ravel()
    order = np.argsort(values)
    return float(_split(values[order], weights[order]))


@compiled
def _split(values, weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the best threshold of ascending values (n,) with weights (n,)."""
    whole, total = weights.sum(), (weights * values).sum()
    below, sum_below, best, at = 0.0, 0.0, 0.0, values[0]
    for i in range(values.size - 1):
        below += weights[i]
        sum_below += weights[i] * values[i]
        above = whole - below
        if values[i + 1] > values[i] and below > 0 and above > 0:
            between = below * above * ((total - sum_below) / above - sum_below / below) ** 2
            if between > best * (1 + 1e-12):  # ignore rounding between equal splits
                best, at = between, (values[i] + values[i + 1]) / 2
    return at
