"""The box of the highest vertex's component as an exact function of the threshold.

Along a grid line the surface is linear, so each edge of the box moves linearly with the threshold until another line
defines the edge, another vertex joins or a saddle is passed. Between these critical thresholds the box is linear, so
the function, a ``Trace``, is a short list of pieces; no grid of thresholds is needed. ``GivenBoxes`` are boxes
submitted instead of a map, with the same interface: a peak, a trace and all boxes.

``joins`` (compiled) computes the threshold at which each vertex joins the component, ``pieces`` (compiled) the pieces.
Their arguments are float64 arrays as in ``bilinear.boxes_of_runs``. A vertex is its row-major index in the map. Edges
are numbered as in a box: left, top, right, bottom. Distances are measured from the edge of the frame, so that all four
edges are computed in the same way.
"""

import hashlib
import heapq
from dataclasses import dataclass

import numpy as np

from locus.core.compiled import compiled
from locus.core.types import FloatArray
from locus.scoring.surface.bilinear import Surface


@compiled
def _bridge(f, i, j, k, m):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the threshold below which vertex (i, j) is connected with its neighbour (k, m) in their edge or patch."""
    lower = min(f[i, j], f[k, m])
    side = max(f[i, m], f[k, j])
    if i == k or j == m or side >= lower:  # with a third corner as high, the edges connect them
        return lower
    a = f[i, j] - side
    d = f[k, m] - side
    return min(lower, side + a * d / (a + d + side - min(f[i, m], f[k, j])))  # the saddle


@compiled
def joins(f, low):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the threshold (h,w) below which each vertex belongs to the component of the highest vertex (widest path).

    Vertices are visited from the highest threshold down, as in Dijkstra's algorithm. Once the component touches all
    four edges of the map, its box no longer changes: vertices that join at lower thresholds keep a value that is too
    low. So do those that join at ``low`` or below, which are most vertices of a mask.
    """
    h, w = f.shape
    out = np.full((h, w), -np.inf)
    peak = f.argmax()
    highest = f[peak // w, peak % w]
    out[peak // w, peak % w] = highest
    waiting = [(-highest, peak)]
    left = top = right = bottom = False  # whether it touches the edge
    while waiting and not (left and top and right and bottom):
        negative, vertex = heapq.heappop(waiting)
        level = -negative
        i = vertex // w
        j = vertex % w
        if level < out[i, j]:
            continue
        left |= j == 0
        top |= i == 0
        right |= j == w - 1
        bottom |= i == h - 1
        for k in range(max(i - 1, 0), min(i + 2, h)):
            for m in range(max(j - 1, 0), min(j + 2, w)):
                if out[k, m] < min(level, f[k, m]):
                    reached = min(level, _bridge(f, i, j, k, m))
                    if reached > max(out[k, m], low):
                        out[k, m] = reached
                        heapq.heappush(waiting, (-reached, k * w + m))
    return out


CLEAR_MARGIN = 1e-9
"""A line this far behind another one at both ends of a column does not overtake it: rounding errors are smaller."""


@compiled
def pieces(f, y, x, height, width, low):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the pieces of the box from a threshold up.

    Args:
        f: (h,w) values, float64.
        y: (h,) rows of the values in the frame.
        x: (w,) columns of the values in the frame.
        height: height of the frame in pixels.
        width: width of the frame in pixels.
        low: the lowest threshold.

    Returns:
        Thresholds (P+1,), and the boxes at both ends of the pieces, (4,P) each.
    """
    h, w = f.shape
    begin = joins(f, low).ravel()
    members = np.flatnonzero(begin > low)
    columns, rows = np.full(w, low), np.full(h, low)
    for vertex in members:
        columns[vertex % w] = max(columns[vertex % w], begin[vertex])
        rows[vertex // w] = max(rows[vertex // w], begin[vertex])
    back = columns[::-1].copy(), rows[::-1].copy()
    reach = (_reach(columns, low), _reach(rows, low), _reach(back[0], low), _reach(back[1], low))
    knots = (x.copy(), y.copy(), width - x[::-1], height - y[::-1])
    vertices = _carriers(begin, members, w, reach)
    values = f.ravel()
    strides = np.array([1, w, 1, w])
    last = np.array([0, 0, w - 1, h - 1])
    steps = np.array([-1, -w, 1, w])  # arrays: a function is compiled anew for each constant
    edges = [
        np.empty((0, 4)) for _ in range(0)
    ]  # numba infers the type of an empty list from its elements
    for n in range(4):
        by_distance = _by_distance(vertices[n], knots[n].size, strides[n], last[n])
        edges.append(_edge(values, begin, knots[n], reach[n], by_distance, steps[n]))
    return _merged(edges, np.array([0.0, 0.0, width, height]), np.array([1.0, 1.0, -1.0, -1.0]))


@compiled
def _reach(highest, low):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return thresholds (n+1,): below entry k + 1, a vertex in one of the columns (or rows) 0 … k has joined."""
    out = np.full(highest.size + 1, low)
    for k in range(highest.size):
        out[k + 1] = max(out[k], highest[k])
    return out


@compiled
def _carriers(begin, members, w, reach):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return, for each edge, the members that join before the next column or row; others never define the edge."""
    left = reach[0][:-1]
    top = reach[1][:-1]
    right = reach[2][-2::-1]
    bottom = reach[3][-2::-1]
    joined = begin[members]
    column = members % w
    row = members // w
    return (
        members[joined > left[column]],
        members[joined > top[row]],
        members[joined > right[column]],
        members[joined > bottom[row]],
    )


@compiled
def _by_distance(vertices, size, stride, last):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sort vertices by their distance from the edge in columns or rows: offsets (size+1,) and vertices (n,).

    ``last``: index of the column or row at the edge, or 0.
    """
    distance = np.abs(last - (vertices // stride if stride > 1 else vertices % size))
    order = np.argsort(distance, kind="mergesort")
    return np.searchsorted(distance[order], np.arange(size + 1)), vertices[order]


@compiled
def _edge(values, begin, knots, reach, by_distance, step):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the linear pieces (n,4) of an edge's distance as a function of the threshold, in descending order.

    A piece has an upper and a lower threshold, and the distance at both. While column or row k is the outermost one,
    the edge is the lower envelope of the lines along which the surface falls from k to k - 1; their vertices are
    ``step`` apart.
    """
    offsets, vertices = by_distance
    out = np.empty((2 * vertices.size + 2, 4))
    number = 0
    for k in range(knots.size - 1, -1, -1):
        upper = reach[k + 1]
        if k == 0 and upper > reach[0]:
            out[number] = (upper, reach[0], 0.0, 0.0)
            number += 1
        elif upper > reach[k]:
            waiting = vertices[offsets[k] : offsets[k + 1]]
            active = np.empty(waiting.size, np.int64)
            steep = np.empty(waiting.size)
            starts = begin[waiting]
            f = values[waiting]
            for n in range(waiting.size):
                steep[n] = (knots[k] - knots[k - 1]) / (f[n] - values[waiting[n] + step])
                waiting[n] = n
            count = waiting.size
            begun = np.int64(0)
            while upper > reach[k]:
                count, begun, following = _begin(
                    starts, waiting, count, active, begun, upper, reach[k]
                )
                lower, edge, end, begun = _next(
                    f, steep, active[:begun], knots[k], upper, following, reach[k]
                )
                if number + 1 == len(out):
                    out = np.concatenate((out, out))
                out[number] = (upper, lower, edge, end)
                number += 1
                upper = lower
    return out[:number]


@compiled
def _begin(begin, waiting, count, active, begun, upper, low):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Move lines that begin at ``upper`` from the waiting ones to the active, in order; return the next beginning."""
    following = low
    n_waiting = 0
    for n in range(count):
        line = waiting[n]
        if begin[line] < upper:
            waiting[n_waiting] = line
            n_waiting += 1
            following = max(following, begin[line])
            continue
        k = begun
        while k > 0 and active[k - 1] > line:
            active[k] = active[k - 1]
            k -= 1
        active[k] = line
        begun += 1
    return n_waiting, begun, following


@compiled
def _next(f, steep, active, x, upper, following, least):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Follow the lowest line from threshold ``upper`` to where it stops being the lowest.

    The next line begins at ``following``. Returns that threshold, the positions at both ends, and the number of lines
    that can still be the lowest above ``least``.
    """
    best = -1
    position = np.inf
    slope = 0.0
    for i in active:
        line_position = x - (f[i] - upper) * steep[i]
        if line_position < position or (line_position == position and steep[i] > slope):
            best = i
            position = line_position
            slope = steep[i]
    lower = following
    n = 0
    while n < active.size:
        i = active[n]
        if steep[i] > slope:
            line_position = x - (f[i] - upper) * steep[i]
            cross = upper - (line_position - position) / (steep[i] - slope)
            if cross >= upper:  # the lines cross at ``upper``, and this one is lower below it
                best = i
                position = line_position
                slope = steep[i]
                lower = following
                n = -1
            else:
                lower = max(lower, cross)
        n += 1
    n_active = 0
    for i in active:
        behind = (f[best] - upper) * slope - (f[i] - upper) * steep[i]
        if min(behind, (f[best] - least) * slope - (f[i] - least) * steep[i]) <= CLEAR_MARGIN * (
            1 + steep[i]
        ):
            active[n_active] = i
            n_active += 1
    return lower, position, x - (f[best] - lower) * slope, n_active


@compiled
def _merged(edges, shift, sign):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Merge the pieces of the four edges from ``_edge`` into those of the box, with ascending thresholds.

    ``shift`` and ``sign`` (4,) convert a distance to a position in the frame.
    """
    piece_index = np.array([len(edge) - 1 for edge in edges])
    size = piece_index.sum() + 4
    thresholds = np.empty(size + 1)
    start = np.empty((4, size))
    stop = np.empty((4, size))
    count = 0
    thresholds[0] = edges[0][piece_index[0], 1]
    while piece_index[0] >= 0:
        low, high = thresholds[count], np.inf
        for n in range(4):
            high = min(high, edges[n][piece_index[n], 0])
        for n in range(4):
            upper, lower, last, first = edges[n][piece_index[n]]
            start[n, count] = shift[n] + sign[n] * (
                first + (low - lower) / (upper - lower) * (last - first)
            )
            stop[n, count] = shift[n] + sign[n] * (
                first + (high - lower) / (upper - lower) * (last - first)
            )
            piece_index[n] -= upper == high
        count += 1
        thresholds[count] = high
    return thresholds[: count + 1], start[:, :count], stop[:, :count]


@dataclass(frozen=True, eq=False)
class Trace:
    """Boxes (xyxy, in the frame) over thresholds; each edge is linear inside a piece, and jumps only between pieces."""

    thresholds: FloatArray
    """(P+1,) critical thresholds t, ascending; piece p is [t[p], t[p+1]). Above the last one there is no box."""
    start: FloatArray
    """(P,4) box at the beginning of each piece."""
    stop: FloatArray
    """(P,4) limit of the box at the end of each piece."""


EMPTY = Trace(np.zeros(1), np.zeros((0, 4)), np.zeros((0, 4)))
"""Trace of a flat or missing map: no box at any threshold."""


def trace(prediction: "Surface | GivenBoxes | None") -> Trace:
    """Return the box of the peak's component at all thresholds from 0, for a map scaled to [0,1]; empty without a map.

    For submitted boxes, it is the box with the highest confidence at every threshold in [0,1).

    >>> from locus.scoring.surface import surface
    >>> spot = trace(surface([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (30, 30), "conventional"))
    >>> spot.thresholds.tolist(), spot.start.tolist(), spot.stop.tolist()
    ([0.0, 1.0], [[5.0, 5.0, 25.0, 25.0]], [[15.0, 15.0, 15.0, 15.0]])
    """
    if isinstance(prediction, GivenBoxes):
        return Trace(np.array([0.0, 1.0]), prediction.boxes[:1], prediction.boxes[:1])
    if prediction is None or prediction.flat or prediction.span[1] <= 0:
        return EMPTY
    thresholds, start, stop = pieces(
        prediction.values, prediction.y, prediction.x, *prediction.frame, 0.0
    )
    return Trace(thresholds, start.T, stop.T)


@dataclass(frozen=True, eq=False)
class GivenBoxes:
    """Boxes of one image and finding, at least one, highest confidence first: the same at every score threshold."""

    boxes: FloatArray
    """(M,4) xyxy in the frame."""
    confidence: FloatArray
    """(M,) in [0,1], descending."""

    @classmethod
    def from_rows(cls, rows: FloatArray) -> "GivenBoxes":
        """Sort ``rows`` (M,5) of xyxy and confidence; equal ones in a random order that depends on edges alone."""
        keys = np.array(
            [hashlib.sha256(row.tobytes()).hexdigest() for row in rows[:, :4] + 0.0], dtype=str
        )
        ordered = rows[np.lexsort((keys, -rows[:, 4]))]
        return cls(ordered[:, :4], ordered[:, 4])

    @property
    def peak(self) -> tuple[float, float]:
        """(x, y) of the centre of the box with the highest confidence."""
        x0, y0, x1, y1 = self.boxes[0].tolist()
        return (x0 + x1) / 2, (y0 + y1) / 2
