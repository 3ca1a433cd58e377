"""Overlap of the boxes of many cases with the truth, compiled; for ``scoring.surface.batch`` and the protocols.

All arguments are arrays. Cases are concatenated: the entries of case n are ``first[n]`` to ``first[n + 1]``. Boxes are
xyxy. IoU and IoBB are defined as in ``core.boxes``, except that they are 0 here for 0/0 and for boxes of nan.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def follow(first, low, high, start, stop, of, thresholds, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the boxes (n,T,4) of the cases ``of`` (n,) at ``thresholds`` (n,T); pieces (P,) have edges (4,P)."""
    for n in range(of.size):
        begin, end = first[of[n]], first[of[n] + 1]
        for i in range(thresholds.shape[1]):
            t = thresholds[n, i]
            if begin == end or not t < high[end - 1]:
                continue
            piece = max(begin + np.searchsorted(low[begin:end], t, side="right") - 1, begin)
            part = max((t - low[piece]) / (high[piece] - low[piece]), 0.0)
            for edge in range(4):
                out[n, i, edge] = start[edge, piece] + part * (stop[edge, piece] - start[edge, piece])


@njit(cache=True, nogil=True)
def shares(box, truth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return IoU and IoBB of a box with a truth box."""
    width, height = min(box[2], truth[2]) - max(box[0], truth[0]), min(box[3], truth[3]) - max(box[1], truth[1])
    if not (width > 0 and height > 0):
        return 0.0, 0.0
    overlap, box_area = width * height, (box[2] - box[0]) * (box[3] - box[1])
    return overlap / (box_area + (truth[2] - truth[0]) * (truth[3] - truth[1]) - overlap), overlap / box_area


@njit(cache=True, nogil=True)
def overlaps(first, truth, boxes, case_index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the largest IoU and IoBB (2,P) of each box with a truth box of its case."""
    out = np.zeros((2, case_index.size))
    for p in range(case_index.size):
        for m in range(first[case_index[p]], first[case_index[p] + 1]):
            both = shares(boxes[p], truth[m])
            out[0, p], out[1, p] = max(out[0, p], both[0]), max(out[1, p], both[1])
    return out


@njit(cache=True, nogil=True)
def matches(first, truth, boxes, offsets, measure, above, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Count hit truth boxes and boxes without a hit (2,N,L,D); ``offsets[n * L + t]``: first box at threshold t."""
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
                            met[m - first[n], d], lone[d] = True, False
                for d in range(above.size):
                    out[1, n, t, d] += lone[d]
            for m in range(met.shape[0]):
                for d in range(above.size):
                    out[0, n, t, d] += met[m, d]


@njit(cache=True, nogil=True)
def union_iobb(first, truth, boxes, offsets, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write (N,L) shares of the union of a case's boxes inside its truth's union, nan for 0/0."""
    for n in range(out.shape[0]):
        true = truth[first[n] : first[n + 1]]
        for t in range(out.shape[1]):
            at = n * out.shape[1] + t
            out[n, t] = _union_iobb(boxes[offsets[at] : offsets[at + 1]], true)


@njit(cache=True, nogil=True)
def _union_iobb(boxes, truth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    both = np.concatenate((boxes, truth))
    x, y = np.sort(both[:, 0::2].copy().ravel()), np.sort(both[:, 1::2].copy().ravel())
    predicted, inside = covered(boxes, x, y), covered(truth, x, y)
    box_area, overlap = 0.0, 0.0
    for i in range(y.size - 1):
        for j in range(x.size - 1):
            if predicted[i, j]:
                cell = (y[i + 1] - y[i]) * (x[j + 1] - x[j])
                box_area += cell
                overlap += cell * inside[i, j]
    return overlap / box_area if box_area > 0 else np.nan


@njit(cache=True, nogil=True)
def covered(boxes, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return a mask (len(y) - 1, len(x) - 1) of the cells covered by any box (M,4); x and y include all edges."""
    out = np.zeros((max(y.size - 1, 0), max(x.size - 1, 0)), np.bool_)
    for m in range(len(boxes)):
        left, right = np.searchsorted(x, boxes[m, 0]), np.searchsorted(x, boxes[m, 2])
        top, bottom = np.searchsorted(y, boxes[m, 1]), np.searchsorted(y, boxes[m, 3])
        out[top:bottom, left:right] = True
    return out
