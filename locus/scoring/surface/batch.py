"""Boxes, truth boxes and traces of many cases, concatenated, so that one compiled pass computes all overlaps.

A loop over cases in Python would take longer than the overlaps. Case n has the entries ``first[n]`` to
``first[n + 1]``; ``case_index`` is the case of each box. Boxes are xyxy. IoU and IoBB are defined as in
``locus.core.frames``, except that they are 0 here for 0/0 and for boxes of nan.

``TruthBoxes`` and ``Boxes``  truth boxes, and the boxes of all components at some thresholds, with their overlaps
``Traces``                    the boxes of ``trace``, at any threshold of each case
``hit_intervals``             the exact thresholds at which one case's box reaches an IoU with the truth
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.compiled import compiled
from locus.core.errors import WriteError
from locus.core.frames import as_boxes
from locus.core.types import FloatArray
from locus.scoring.surface.bilinear import Surface, components
from locus.scoring.surface.trace import NUMBERS_PER_PIECE, GivenBoxes, Trace


@compiled
def follow(first, pieces, case_index, thresholds, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the box of each case at its thresholds.

    Args:
        first: (N+1,) position of the first piece of each case; the last one is P.
        pieces: (P,NUMBERS) pieces of all cases.
        case_index: (n,) indices of the cases.
        thresholds: (n,T).
        out: (n,T,4) boxes xyxy, written where the case has a box.
    """
    for n in range(case_index.size):
        rows = pieces[first[case_index[n]] : first[case_index[n] + 1]]
        for i in range(thresholds.shape[1]):
            t = thresholds[n, i]
            if len(rows) == 0 or not t < rows[-1, 1]:
                continue
            row = rows[max(np.searchsorted(rows[:, 0], t, side="right") - 1, 0)]
            share = max((t - row[0]) / (row[1] - row[0]), 0.0)
            for edge in range(4):
                out[n, i, edge] = row[2 + edge] + share * (row[6 + edge] - row[2 + edge])


@compiled
def shares(box, truth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return IoU and IoBB of a box with a truth box."""
    width = min(box[2], truth[2]) - max(box[0], truth[0])
    height = min(box[3], truth[3]) - max(box[1], truth[1])
    if not (width > 0 and height > 0):
        return 0.0, 0.0
    overlap = width * height
    box_area = (box[2] - box[0]) * (box[3] - box[1])
    return overlap / (
        box_area + (truth[2] - truth[0]) * (truth[3] - truth[1]) - overlap
    ), overlap / box_area


@compiled
def overlaps(first, truth, boxes, case_index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the largest overlaps of each box with a truth box of its case.

    Args:
        first: (N+1,) index of the first truth box of each case.
        truth: (M,4) truth boxes xyxy, case by case.
        boxes: (P,4) boxes xyxy.
        case_index: (P,) case of each box.

    Returns:
        (2,P) IoU and IoBB; 0 without a truth box.
    """
    out = np.zeros((2, case_index.size))
    for p in range(case_index.size):
        for m in range(first[case_index[p]], first[case_index[p] + 1]):
            both = shares(boxes[p], truth[m])
            out[0, p], out[1, p] = max(out[0, p], both[0]), max(out[1, p], both[1])
    return out


@compiled
def matches(first, truth, boxes, offsets, measure, above, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Count hit truth boxes and boxes without a hit.

    Args:
        first: (N+1,) position of the first truth box of each case; the last one is their number.
        truth: truth boxes of all cases, xyxy.
        boxes: predicted boxes of all cases at all L thresholds, xyxy.
        offsets: ``offsets[n * L + t]`` is the first box of case n at threshold t.
        measure: 0 for IoU, 1 for IoBB.
        above: (D,) overlaps above which a box is a hit.
        out: (2,N,L,D) counts, to which is added.
    """
    n_thresholds = out.shape[2]
    for n in range(first.size - 1):
        for t in range(n_thresholds):
            met = np.zeros((first[n + 1] - first[n], above.size), np.bool_)
            for p in range(offsets[n * n_thresholds + t], offsets[n * n_thresholds + t + 1]):
                lone = np.ones(above.size, np.bool_)
                for m in range(first[n], first[n + 1]):
                    share = shares(boxes[p], truth[m])[measure]
                    for d in range(above.size):
                        if share > above[d]:
                            met[m - first[n], d] = True
                            lone[d] = False
                for d in range(above.size):
                    out[1, n, t, d] += lone[d]
            for m in range(met.shape[0]):
                for d in range(above.size):
                    out[0, n, t, d] += met[m, d]


@compiled
def union_iobb(first, truth, boxes, offsets, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the share of the union of a case's boxes that is inside the union of its truth boxes.

    Args:
        first: (N+1,) position of the first truth box of each case; the last one is their number.
        truth: truth boxes of all cases, xyxy.
        boxes: predicted boxes of all cases at all L thresholds, xyxy.
        offsets: ``offsets[n * L + t]`` is the first box of case n at threshold t.
        out: (N,L) shares; nan for 0/0.
    """
    for n in range(out.shape[0]):
        true = truth[first[n] : first[n + 1]]
        for t in range(out.shape[1]):
            slot = n * out.shape[1] + t
            out[n, t] = _union_iobb(boxes[offsets[slot] : offsets[slot + 1]], true)


@compiled
def _union_iobb(boxes, truth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    both = np.concatenate((boxes, truth))
    x, y = np.sort(both[:, 0::2].copy().ravel()), np.sort(both[:, 1::2].copy().ravel())
    predicted = covered(boxes, x, y)
    inside = covered(truth, x, y)
    box_area = 0.0
    overlap = 0.0
    for i in range(y.size - 1):
        for j in range(x.size - 1):
            if predicted[i, j]:
                cell = (y[i + 1] - y[i]) * (x[j + 1] - x[j])
                box_area += cell
                overlap += cell * inside[i, j]
    return overlap / box_area if box_area > 0 else np.nan


@compiled
def covered(boxes, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return a mask (len(y) - 1, len(x) - 1) of the cells covered by any box (M,4); x and y include all edges."""
    out = np.zeros((max(y.size - 1, 0), max(x.size - 1, 0)), np.bool_)
    for m in range(len(boxes)):
        left, right = np.searchsorted(x, boxes[m, 0]), np.searchsorted(x, boxes[m, 2])
        top, bottom = np.searchsorted(y, boxes[m, 1]), np.searchsorted(y, boxes[m, 3])
        out[top:bottom, left:right] = True
    return out


Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TruthBoxes:
    """Truth boxes of N cases."""

    offsets: Index
    """(N+1,) offsets of each case's boxes."""
    boxes: FloatArray
    """(M,4), each in the frame of its case."""

    @classmethod
    def from_boxes(cls, boxes: Sequence[FloatArray]) -> "TruthBoxes":
        """Concatenate the ``boxes`` of the cases, (M,4) each."""
        return cls(
            offsets_of([len(case_boxes) for case_boxes in boxes]),
            np.concatenate([np.zeros((0, 4)), *map(as_boxes, boxes)]),
        )

    @property
    def count(self) -> Index:
        """(N,) number of truth boxes of each case."""
        return np.diff(self.offsets)

    def overlaps(self, boxes: FloatArray, case_index: Index) -> tuple[FloatArray, FloatArray]:
        """Return IoU (P,) and IoBB (P,) of boxes (P,4) with the best truth box of their case; 0 without one."""
        iou, iobb = overlaps(self.offsets, self.boxes, boxes, case_index)
        return iou, iobb

    def match_counts(
        self, boxes: "Boxes", measure: int, above: Sequence[float], n_thresholds: int
    ) -> FloatArray:
        """Count hit truth boxes, and boxes without a hit, of each case at each of L score thresholds.

        Args:
            boxes: the predicted boxes of the N cases at all thresholds.
            measure: 0 for IoU, 1 for IoBB.
            above: D values; a hit has an overlap above one of them.
            n_thresholds: L.

        Returns:
            (2,N,L,D).
        """
        out = np.zeros((2, len(self.count), n_thresholds, len(above)))
        offsets = boxes.offsets(*out.shape[1:3])
        limits = np.asarray(above, dtype=np.float64)
        matches(self.offsets, self.boxes, boxes.boxes, offsets, measure, limits, out)
        return out

    def union_iobb(self, boxes: "Boxes", n_thresholds: int) -> FloatArray:
        """Return the share (N,L) of the union of a case's boxes inside the union of its truth boxes; nan for 0/0."""
        out = np.full((len(self.count), n_thresholds), np.nan)
        union_iobb(self.offsets, self.boxes, boxes.boxes, boxes.offsets(*out.shape), out)
        return out


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of all components of N cases' surfaces at L thresholds, sorted by case and threshold."""

    boxes: FloatArray
    """(P,4), each in the frame of its case."""
    case_index: Index
    """(P,)."""
    threshold_index: Index
    """(P,) 0 … L-1."""

    @classmethod
    def from_surfaces(
        cls, surfaces: Iterable[Surface | GivenBoxes | None], thresholds: FloatArray
    ) -> "Boxes":
        """Compute the boxes at the (N,L) ``thresholds`` of each case; none without a surface or at nan."""
        finite = np.where(np.isnan(thresholds), np.inf, thresholds)
        by_case = []
        last: Surface | GivenBoxes | None = None
        boxes_of_last: dict[bytes, tuple[FloatArray, Index]] = {}
        for prediction, row in zip(surfaces, finite, strict=True):
            if prediction is not last:  # the cases of a baseline may share one surface
                last = prediction
                boxes_of_last = {}
            key = row.tobytes()
            if key not in boxes_of_last:
                boxes_of_last[key] = _boxes_at(prediction, row)
            by_case.append(boxes_of_last[key])
        case_index = np.repeat(np.arange(len(by_case)), [len(boxes) for boxes, _ in by_case])
        boxes, threshold_index = (
            np.concatenate([none, *(arrays[n] for arrays in by_case)])
            for n, none in enumerate(NO_BOX)
        )
        return cls(boxes, case_index, threshold_index)

    def offsets(self, n_cases: int, n_thresholds: int) -> Index:
        """Return the offsets (N·L+1,) of the boxes of each case and threshold."""
        numbers = self.case_index * n_thresholds + self.threshold_index
        return np.searchsorted(numbers, np.arange(n_cases * n_thresholds + 1))

    def counts(self, n_cases: int, n_thresholds: int) -> FloatArray:
        """Return the number of boxes (N,L) of each case at each threshold."""
        counts = np.bincount(
            self.case_index * n_thresholds + self.threshold_index, minlength=n_cases * n_thresholds
        )
        return counts.reshape(n_cases, n_thresholds).astype(np.float64)


NO_BOX = (np.zeros((0, 4)), np.zeros(0, dtype=np.int64))


def _boxes_at(
    prediction: Surface | GivenBoxes | None, thresholds: FloatArray
) -> tuple[FloatArray, Index]:
    """Return the boxes (M,4) at ``thresholds`` (L,) and the index (M,) of their threshold; none at infinity."""
    if isinstance(prediction, Surface):
        return components(prediction, thresholds)[:2]
    boxes = NO_BOX[0] if prediction is None else prediction.boxes
    finite = np.flatnonzero(np.isfinite(thresholds))
    return np.tile(boxes, (len(finite), 1)), np.repeat(finite, len(boxes))


def offsets_of(counts: Sequence[int]) -> Index:
    """Return the offsets (N+1,) of N concatenated parts with these counts."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


MAX_TRACE_BYTES = 2**27
"""Bytes of traces in memory; more are in a temporary file."""


class Traces:
    """Traces of N cases; those above a size limit are stored in a temporary file.

    The trace of a large map takes a megabyte: 10,000 would not fit in memory, and computing them again takes longer.
    """

    def __init__(self, traces: Iterable[Trace]) -> None:
        """Store ``traces``, one after the other. Raises ``WriteError`` if a disk is full."""
        counts = []
        in_memory = bytearray()
        file = None
        try:
            for trace in traces:
                counts.append(len(trace.rows))
                in_memory += trace.rows.tobytes()
                if len(in_memory) > MAX_TRACE_BYTES:
                    file = file or tempfile.TemporaryFile()  # noqa: SIM115  # deleted with the rows
                    file.write(in_memory)
                    in_memory.clear()
            if file is not None:
                file.write(in_memory)
                file.flush()
        except OSError as error:
            where = f"{tempfile.gettempdir()}: {error.strerror or error}"
            raise WriteError(
                f"cannot write traces in {where}; free space, or set TMPDIR to another folder"
            ) from error
        self.offsets = offsets_of(counts)
        """(N+1,) offsets of each case's pieces."""
        rows = np.frombuffer(in_memory, np.uint8) if file is None else np.memmap(file, mode="c")
        self.rows = np.asarray(rows).view(np.float64).reshape(-1, NUMBERS_PER_PIECE)
        """(P,10) rows of all traces; see ``Trace``."""

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.offsets) - 1

    def boxes(self, case_index: Index, thresholds: FloatArray) -> FloatArray:
        """Return the exact boxes (n,T,4) of the highest vertex's component, at ``thresholds`` (n,T) of cases (n,).

        Thresholds below a case's first critical one give its first box; thresholds above its highest value nan.
        """
        out = np.full((*thresholds.shape, 4), np.nan)
        follow(
            self.offsets,
            self.rows,
            case_index,
            np.require(thresholds, requirements=["C", "W"]),
            out,
        )
        return out


EDGES = np.array([0, 0, 2, 2, 1, 1, 3, 3])
PASSED = np.array([0, 2, 0, 2, 1, 3, 1, 3])
"""Edges of the truth box that each of ``EDGES`` may pass."""
MAX_INTERVALS = 3 * (len(EDGES) + 1)
"""Intervals of a piece: it is cut at most once at each of ``EDGES``, and a quadratic function has two roots."""


def hit_intervals(traced: Trace, truth: ArrayLike, above: float) -> FloatArray:
    """Return the intervals (K,2) of thresholds at which the peak's box has IoU > ``above`` with any truth box (M,4).

    Intervals [low, high) are disjoint and ascending. At a low end that is a root, the IoU equals ``above``.

    Inside a piece of a trace, the edges of the box are linear in the threshold. Pieces are cut where an edge passes an
    edge of the truth. Then the areas of the overlap and of the box are products of two linear functions, so IoU > d,
    written as (1 + d) · overlap - d · area - d · truth > 0, is a quadratic inequality whose roots are the critical
    thresholds. No grid or bisection is needed.

    >>> from locus.scoring.surface import surface
    >>> from locus.scoring.surface.trace import trace
    >>> spot = trace(surface([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (30, 30), "conventional"))  # the square 15 ± 10·(1 - t)
    >>> hit_intervals(spot, [[10, 10, 20, 20]], .25).round(9).tolist()
    [[0.0, 0.75]]
    """
    boxes = as_boxes(truth)
    intervals = [_intervals(traced.rows, box, above) for box in boxes]
    return _union(np.concatenate([np.zeros((0, 2)), *intervals]))


@compiled
def _intervals(rows, truth, above):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the intervals of ``hit_intervals`` for one truth box; touching ones are not joined.

    Args:
        rows: (P,10) rows of the trace.
        truth: (4,) truth box.
        above: IoU that a hit must exceed.

    Returns:
        (K,2) thresholds.
    """
    out = np.empty((MAX_INTERVALS * len(rows), 2))
    count = 0
    truth_area = (truth[2] - truth[0]) * (truth[3] - truth[1])
    for row in rows:
        start = row[2:6]
        move = row[6:] - start
        cuts = _cuts(start, move, truth)
        for n in range(cuts.size - 1):
            low, high = cuts[n], cuts[n + 1]
            if not high > low:
                continue
            first, last = start + low * move, start + high * move
            overlap = _product(_sides_within(first, truth), _sides_within(last, truth))
            box_area = _product(_sides_within(first, first), _sides_within(last, last))
            c = (1 + above) * overlap[0] - above * box_area[0] - above * truth_area
            b = (1 + above) * overlap[1] - above * box_area[1]
            a = (1 + above) * overlap[2] - above * box_area[2]
            ends = _ends(c, b, a)
            for k in range(ends.size - 1):
                middle = (ends[k + 1] + ends[k]) / 2
                begin = _between(row, low * (1 - ends[k]) + high * ends[k])
                end = _between(row, low * (1 - ends[k + 1]) + high * ends[k + 1])
                if c + middle * (b + middle * a) > 0 and end > begin:
                    out[count, 0] = begin
                    out[count, 1] = end
                    count += 1
    return out[:count].copy()


@compiled
def _cuts(start, move, truth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the ascending shares (10,) of a piece at which an edge passes one of the truth, with both ends."""
    cuts = np.zeros(EDGES.size + 2)
    cuts[-1] = 1.0
    for n in range(EDGES.size):
        edge = EDGES[n]
        if move[edge] != 0:
            cuts[n + 1] = min(max((truth[PASSED[n]] - start[edge]) / move[edge], 0.0), 1.0)
    return np.sort(cuts)


@compiled
def _sides_within(box, other):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return width and height of the overlap of two boxes (4,), 0 if they do not overlap."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(width, 0.0), max(height, 0.0)


@compiled
def _product(first, last):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the coefficients of an area, constant first, whose sides move linearly from ``first`` to ``last``."""
    width, height = first
    width_change = last[0] - width
    height_change = last[1] - height
    return (
        width * height,
        width * height_change + height * width_change,
        width_change * height_change,
    )


@compiled
def _ends(c, b, a):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return 0, the roots of c + b·u + a·u² in [0,1], and 1, ascending (4,); 0 or 1 stand for a root outside."""
    ends = np.zeros(4)
    ends[3] = 1.0
    discriminant = b * b - 4 * a * c
    if discriminant >= 0:
        stable = -(b + np.copysign(np.sqrt(discriminant), b)) / 2  # avoids cancellation
        if a != 0:
            ends[1] = min(max(stable / a, 0.0), 1.0)
        if stable != 0:
            ends[2] = min(max(c / stable, 0.0), 1.0)
    return np.sort(ends)


@compiled
def _between(row, share):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the threshold at a share of a piece, from its row."""
    return row[0] * (1 - share) + row[1] * share


def _union(intervals: FloatArray) -> FloatArray:
    """Return the union of intervals (K,2) as disjoint, ascending intervals; touching ones are joined."""
    if not len(intervals):
        return intervals
    low, high = intervals[np.argsort(intervals[:, 0], kind="stable")].T
    reach = np.maximum.accumulate(high)
    new = np.concatenate([[True], low[1:] > reach[:-1]])
    return np.stack([low[new], reach[np.concatenate([new[1:], [True]])]], 1)
