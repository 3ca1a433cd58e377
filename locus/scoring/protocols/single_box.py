"""The main protocol: one box per case, at a threshold of the map that is chosen on other patients.

A case is an image and a finding with a truth box; other images and findings are not scored.

The map, interpolated bilinearly between the positions of the feature map, is a surface; these positions are its
vertices. A component is a connected part of the surface above the threshold. ``otsu`` is a threshold from the map
alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.compiled import compiled
from locus.core.frames import Grid, holds, resolve
from locus.core.names import DRAW_ERROR, HIT_COLUMNS, MAIN, MEAN_PREFIX
from locus.core.scores import CURVE_THRESHOLDS, Score
from locus.core.types import FloatArray
from locus.scoring import score_thresholds
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.protocols.pointing import distance
from locus.scoring.score_thresholds import (
    CROSS_FITTED,
    Indexed,
    ThresholdKey,
    ThresholdsBySource,
)
from locus.scoring.statistics.resample import SHARED_SUFFIX, CaseIndex
from locus.scoring.statistics.summary import Column
from locus.scoring.surface.batch import Boxes, TruthBoxes
from locus.scoring.surface.bilinear import Surface, whole_weights
from locus.scoring.surface.trace import GivenBoxes, Trace, trace

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

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return all metrics for each threshold source, and one row per case at its threshold of ``row_source``."""
        return self.evaluate_draws([cases], findings, seed, validation)

    def evaluate_draws(
        self, draws: Sequence[Cases], findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return the mean over several draws of a baseline, each with its own maps or boxes and thresholds.

        A row has the threshold and the hits of the first draw and, as ``mean_`` columns, the means over the draws. The
        score ``draw_error`` is the standard error of the main metric from the draw.

        Args:
            draws: the cases of each draw; they are the same but for their maps.
            findings: the scored findings, in the order of the scores.
            seed: seed of folds and resamples.
            validation: cases of the validation split; empty if it has no truth box.
        """
        val_cases = base.of_findings(validation, findings)
        on_validation = CaseBatch(val_cases).selector, base.case_index(val_cases)
        evaluations = [
            self._at_thresholds(base.of_findings(cases, findings), seed, on_validation)
            for cases in draws
        ]
        first = evaluations[0]
        index = base.case_index(evaluations[0].batch.cases)
        oracle = (
            "optimism",
            _stacked([evaluation.oracle_hits(index) for evaluation in evaluations]),
            np.ones(len(index)),
        )
        columns = _mean_columns([evaluation.columns for evaluation in evaluations])
        scores = base.scores_with_optimism(columns, index, findings, seed, {MAIN: oracle})
        rows = first.rows
        if len(evaluations) > 1:
            scores += _draw_errors(
                [evaluation.hits(MAIN) for evaluation in evaluations], index.findings, findings
            )
            rows = rows | _mean_hits(evaluations)
        curves = [
            hits_by_threshold(evaluation.batch.selector.hits(CURVE_THRESHOLDS), index.findings)
            for evaluation in evaluations
        ]
        return Result(
            scores,
            base.rows(first.batch.cases, first.batch.reasons, rows),
            score_thresholds.distinct_thresholds(first.chosen, index),
            base.failures(first.batch.cases, first.batch.reasons),
            np.mean(curves, axis=0).round(6).tolist(),
        )

    def _at_thresholds(
        self, scored: Sequence[base.Case], seed: int, on_validation: Indexed
    ) -> "ScoredDraw":
        """Return the cases of one draw at the thresholds of all sources."""
        batch = CaseBatch(scored)
        chosen = self.choose((batch.selector, base.case_index(scored)), seed, on_validation)
        chosen |= {("fixed", ""): np.full(len(scored), DEFAULT_THRESHOLD), ("otsu", ""): batch.otsu}
        return ScoredDraw(batch, chosen, self.row_source)

    def choose(self, scored: Indexed, seed: int, validation: Indexed) -> ThresholdsBySource:
        """Return the thresholds of all sources that use the truth."""
        return score_thresholds.choose(scored, DEFAULT_THRESHOLD, seed, validation)


class ScoredDraw:
    """N cases of one draw at the thresholds of all sources; ``row_source`` is that of the rows per case."""

    def __init__(
        self, batch: "CaseBatch", chosen: ThresholdsBySource, row_source: ThresholdKey
    ) -> None:
        self.batch = batch
        self.chosen = chosen
        self.row_source = row_source
        self.boxes_at = {
            key: BoxesAtThreshold(batch, key, thresholds) for key, thresholds in chosen.items()
        }
        counts = _count_boxes(
            batch, {key: chosen[key] for key in chosen if key[1] != SHARED_SUFFIX}
        )
        pairs = [(boxes, counts.get(key)) for key, boxes in self.boxes_at.items()]
        columns = [
            column for boxes, of_boxes in pairs for column in _columns(boxes, of_boxes, batch.truth)
        ]
        columns.append(Column("pointing", "none", batch.pointing, np.ones(len(batch.cases))))
        reach = np.array([largest_iou(case) for case in batch.cases], dtype=np.float64)
        columns.append(
            Column("out_of_reach", "none", reach <= IOU, np.isfinite(reach).astype(np.float64))
        )
        self.columns = columns
        self.rows = dict(_row_columns(batch, self.boxes_at, counts, row_source))
        """Name of a column of the rows per case -> its values (N,)."""

    def oracle_hits(self, index: CaseIndex) -> NDArray[np.bool_]:
        """Return the hits (N,M) at all thresholds that can be best."""
        return self.batch.selector.oracle_hits(index.findings)

    def hits(self, name: str) -> FloatArray:
        """Return a column of hits (N,) at the threshold of the rows, by its name in a table."""
        if name == "pointing":
            return self.batch.pointing.astype(np.float64)
        measure, _, level = name.removeprefix("hit@").partition(".")
        overlap: FloatArray = getattr(self.boxes_at[self.row_source], measure)
        return (overlap > float(f".{level}")).astype(np.float64)


def _stacked(tables: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Stack the tables (N,M) of D draws to (N,D,M'), padded without hits."""
    width = max(table.shape[1] for table in tables)
    return np.stack(
        [np.pad(table, ((0, 0), (0, width - table.shape[1]))) for table in tables], axis=1
    )


def _mean_columns(draws: Sequence[Sequence[Column]]) -> list[Column]:
    """Return the columns with the means over draws of their numerators and denominators."""
    means = []
    for columns in zip(*draws, strict=True):
        numerator = np.mean([column.numerator for column in columns], axis=0)
        denominator = np.mean([column.denominator for column in columns], axis=0)
        means.append(replace(columns[0], numerator=numerator, denominator=denominator))
    return means


def _mean_hits(draws: Sequence[ScoredDraw]) -> dict[str, FloatArray]:
    """Return the columns of hits as means (N,) over draws."""
    return {
        f"{MEAN_PREFIX}{name}": np.mean([draw.hits(name) for draw in draws], axis=0)
        for name in HIT_COLUMNS
    }


def _draw_errors(
    hits: Sequence[FloatArray], of_case: NDArray[np.str_], findings: Sequence[str]
) -> list[Score]:
    """Return the standard error of the mean over D draws, per finding and of the mean over findings.

    ``hits``: D arrays (N,). ``of_case``: finding of each case.
    """
    present = [finding for finding in findings if (of_case == finding).any()]
    shares = np.array(
        [[of_draw[of_case == finding].mean() for finding in present] for of_draw in hits]
    )
    values = dict(zip([*present, "mean"], [*shares.T, shares.mean(1)], strict=True))
    errors = {
        name: float(of_draws.std(ddof=1) / np.sqrt(len(hits))) for name, of_draws in values.items()
    }
    return [Score(name, DRAW_ERROR, error, n=len(hits)) for name, error in errors.items()]


def hits_by_threshold(hits: NDArray[np.bool_], findings: NDArray[np.str_]) -> list[float]:
    """Return the share of hits at each of T thresholds, mean over findings, from ``hits`` (N,T) and ``findings`` (N,).

    >>> hits_by_threshold(np.array([[1, 0], [1, 1], [0, 0]], bool), np.array(["Mass", "Mass", "Nodule"]))
    [0.5, 0.25]
    """
    shares = [hits[findings == finding].mean(0) for finding in np.unique(findings)]
    return np.mean(shares, axis=0).round(6).tolist() if shares else []


TracedMap = tuple[Surface | GivenBoxes | None, str, float, Trace]
"""The prediction of a case or None and the reason, Otsu's threshold, and the trace."""


@base.once_per_map
def _traced(case: base.Case) -> TracedMap:
    prediction, reason = case.prediction
    level = otsu(prediction) if isinstance(prediction, Surface) else DEFAULT_THRESHOLD
    return prediction, reason, level, trace(prediction)


class CaseBatch:
    """Traces and peaks of N cases, before a threshold is applied.

    A trace is the box of the highest peak's component as a function of the threshold.
    """

    def __init__(self, cases: Sequence[base.Case]) -> None:
        self.cases = cases
        self.reasons: list[str] = []
        points = list[bool]()
        otsus = list[float]()

        def traces() -> Iterator[tuple[Trace, FloatArray]]:
            shared: dict[tuple[int, tuple[int, int]], TracedMap] = {}
            for case in base.with_bar(cases):
                key = (
                    id(case.map),
                    case.frame,
                )  # cases of a baseline share one array, and so its surface
                traced = shared.get(key) or _traced(case)
                if isinstance(case.map, np.ndarray):
                    shared[key] = traced
                prediction, reason, level, of_map = traced
                self.reasons.append(reason)
                points.append(prediction is not None and distance(prediction.peak, case.boxes) == 0)
                otsus.append(level)
                yield of_map, case.boxes

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
        self.thresholds = thresholds
        self.boxes = batch.selector.boxes(thresholds)
        self.iou, self.iobb = batch.truth.overlaps(self.boxes, np.arange(len(thresholds)))
        box_centres = zip(self.boxes, batch.centres, strict=True)
        self.center = np.array(
            [holds(box, centres).any() for box, centres in box_centres], dtype=bool
        )

    def hits(self) -> dict[str, NDArray[np.bool_]]:
        """Return metric -> (N,) hits."""
        return {
            f"hit@{m}.{tenth}": getattr(self, m) > tenth / 10
            for m, tenths in TENTHS.items()
            for tenth in tenths
        }


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
    hits = np.zeros(thresholds.shape)
    counts = np.zeros(thresholds.shape)
    for batch_slice in base.batches(len(batch.cases)):
        boxes = Boxes.from_surfaces(
            (case.prediction[0] for case in batch.cases[batch_slice]), thresholds[batch_slice]
        )
        truth = TruthBoxes.from_boxes([case.boxes for case in batch.cases[batch_slice]])
        hits[batch_slice] = truth.match_counts(boxes, 0, [IOU], thresholds.shape[1])[0, :, :, 0]
        counts[batch_slice] = boxes.counts(*thresholds[batch_slice].shape)
    return {key: (hits[:, n], counts[:, n]) for n, key in enumerate(chosen)}


def _columns(
    at_threshold: BoxesAtThreshold, box_counts: BoxCounts | None, truth: TruthBoxes
) -> list[Column]:
    """Return the columns of one threshold source; only the main metric without ``box_counts`` (a shared threshold)."""
    hits = at_threshold.hits()
    if box_counts is None:
        return [at_threshold.column(MAIN, hits[MAIN])]
    many = [
        at_threshold.column("anyhit@iou.3", box_counts[0], truth.count),
        at_threshold.column("boxes_per_case", box_counts[1], is_share=False),
    ]
    means = [
        at_threshold.column("mean_iou", at_threshold.iou),
        at_threshold.column("center_inside", at_threshold.center),
    ]
    return [*(at_threshold.column(metric, hit) for metric, hit in hits.items()), *means, *many]


def _row_columns(
    batch: CaseBatch,
    at_thresholds: Mapping[ThresholdKey, BoxesAtThreshold],
    box_counts: Mapping[ThresholdKey, BoxCounts],
    source: ThresholdKey,
) -> dict[str, ArrayLike]:
    chosen = at_thresholds[source]
    edges = dict(zip(("x0", "y0", "x1", "y1"), chosen.boxes.T, strict=True))
    numbers = {"threshold": chosen.thresholds, **edges, "iou": chosen.iou, "iobb": chosen.iobb}
    anyhits, boxes = (count.astype(np.int64) for count in box_counts[source])
    counts = {"boxes": boxes, "truths": batch.truth.count, "anyhits": anyhits}
    other_sources = {
        key: {
            "threshold": at_threshold.thresholds,
            "iou": np.where(at_threshold.has_threshold, at_threshold.iou, np.nan),
        }
        for key, at_threshold in at_thresholds.items()
        if at_threshold is not chosen
    }
    hits = {**chosen.hits(), "center_inside": chosen.center, "pointing": batch.pointing}
    return {**numbers, **hits, **counts, **base.other_sources(other_sources)}


def otsu(heat: Surface) -> float:
    """Return Otsu's threshold in the unit of the map; the only value of a flat surface.

    Otsu, "A threshold selection method from grey-level histograms", IEEE Trans. SMC 9 (1979), equation 18: the split
    with the largest variance between the classes, w0·w1·(m1 - m0)², where w are their weights and m their means. There
    is no histogram: the values at the vertices are weighted as in the surface's integral over the frame, so that a
    vertex at the edge counts for the whole area it covers. All splits between distinct values are tried; the threshold
    is the middle of the best gap, the lowest on ties.

    >>> from locus.scoring.surface import surface
    >>> otsu(surface([[0, 1, 7, 9]], (10, 40), "conventional"))
    4.0
    """
    height, width = heat.frame
    rows, columns = whole_weights(heat.y, height), whole_weights(heat.x, width)
    distinct, weights = _weights_of_values(heat.values.ravel(), (rows.T * columns).ravel())
    order = np.argsort(distinct)
    return float(_split(distinct[order], weights[order]))


@compiled
def _weights_of_values(values, weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the distinct values (n,), in order of appearance, and the sum of the weights (n,) of each.

    A mask or a picture of 8 bits has few values, so that this hash table is faster than sorting all positions.
    """
    bits = values.view(np.uint64)
    distinct = np.empty(values.size)
    sums = np.zeros(values.size)
    count = 0
    log_size = np.int64(10)
    table = np.full(1 << log_size, -1, np.int64)  # slot -> index of a distinct value
    for i in range(values.size):
        slot = _slot(bits[i], log_size)
        while table[slot] >= 0 and distinct[table[slot]] != values[i]:
            slot = (slot + 1) % table.size
        if table[slot] < 0:
            table[slot] = count
            distinct[count] = values[i]
            count += 1
        sums[table[slot]] += weights[i]
        if 2 * count > table.size:
            log_size += 2
            table = np.full(1 << log_size, -1, np.int64)
            bits_of_distinct = distinct.view(np.uint64)
            for k in range(count):
                slot = _slot(bits_of_distinct[k], log_size)
                while table[slot] >= 0:
                    slot = (slot + 1) % table.size
                table[slot] = k
    return distinct[:count], sums[:count]


@compiled
def _slot(bits, log_size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the slot of a number in a hash table of 2 ** ``log_size`` slots, from its bits (Fibonacci hashing)."""
    return np.int64((bits * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - log_size))


@compiled
def _split(values, weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the best threshold of ascending values (n,) with weights (n,)."""
    whole = weights.sum()
    total = (weights * values).sum()
    below = 0.0
    sum_below = 0.0
    best = 0.0
    best_threshold = values[0]
    for i in range(values.size - 1):
        below += weights[i]
        sum_below += weights[i] * values[i]
        above = whole - below
        if values[i + 1] > values[i] and below > 0 and above > 0:
            between = below * above * ((total - sum_below) / above - sum_below / below) ** 2
            if between > best * (1 + 1e-12):  # ignore rounding between equal splits
                best = between
                best_threshold = (values[i] + values[i + 1]) / 2
    return best_threshold
