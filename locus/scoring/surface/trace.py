"""The box of the highest vertex's component as an exact function of the threshold.

Along a grid line the surface is linear, so each edge of the box moves linearly with the threshold until another line
defines the edge, another vertex joins or a saddle is passed. Between these critical thresholds the box is linear, so
the function, a ``Trace``, is a short list of pieces; no grid of thresholds is needed. ``GivenBoxes`` are boxes
submitted instead of a map, with the same interface: a peak, a trace and all boxes.

``joins`` (compiled) computes the threshold at which each vertex joins the component, ``pieces`` (compiled) the pieces,
and ``pieces_of_means`` (compiled) those of several weighted means of two maps.
Their arguments are float64 arrays as in ``bilinear.boxes_of_runs``. A vertex is its row-major index in the map. Edges
are numbered as in a box: left, top, right, bottom. Distances are measured from the edge of the frame, so that all four
edges are computed in the same way.
"""

import hashlib
from collections.abc import Iterator
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
def _push(levels, vertices, count, level, vertex):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add a vertex to a heap of ``count`` levels and vertices, highest level first; a third faster than ``heapq``."""
    k = count
    while k > 0 and levels[(k - 1) // 2] < level:
        above = (k - 1) // 2
        levels[k] = levels[above]
        vertices[k] = vertices[above]
        k = above
    levels[k] = level
    vertices[k] = vertex


@compiled
def _pop(levels, vertices, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Remove the highest level and its vertex from a heap of ``count`` and return both."""
    level = levels[0]
    vertex = vertices[0]
    last = count - 1
    k = 0
    below = 1
    while below < last:
        if below + 1 < last and levels[below + 1] > levels[below]:
            below += 1
        if levels[below] <= levels[last]:
            break
        levels[k] = levels[below]
        vertices[k] = vertices[below]
        k = below
        below = 2 * k + 1
    levels[k] = levels[last]
    vertices[k] = vertices[last]
    return level, vertex


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
    levels = np.empty(8 * f.size + 1)  # a heap; each vertex may enter it once from each neighbour
    vertices = np.empty(levels.size, np.int64)
    _push(levels, vertices, 0, highest, peak)
    count = 1
    left = top = right = bottom = False  # whether it touches the edge
    while count > 0 and not (left and top and right and bottom):
        level, vertex = _pop(levels, vertices, count)
        count -= 1
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
                        _push(levels, vertices, count, reached, k * w + m)
                        count += 1
    return out


NUMBERS_PER_PIECE = 10
"""Numbers per piece of a trace: the thresholds at which it begins and ends, and its box at both."""
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
        The rows (P,10) of a ``Trace``.
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
    offsets = np.zeros(size + 1, np.int64)
    for n in distance:
        offsets[n + 1] += 1
    offsets = np.cumsum(offsets)
    following = offsets.copy()
    in_order = np.empty_like(vertices)
    for vertex, n in zip(vertices, distance):  # noqa: B905 - numba has no ``strict``
        in_order[following[n]] = vertex
        following[n] += 1
    return offsets, in_order


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
    rows = np.empty((piece_index.sum() + 4, NUMBERS_PER_PIECE))
    count = 0
    low = edges[0][piece_index[0], 1]
    while piece_index[0] >= 0:
        high = np.inf
        for n in range(4):
            high = min(high, edges[n][piece_index[n], 0])
        rows[count, 0] = low
        rows[count, 1] = high
        for n in range(4):
            upper, lower, last, first = edges[n][piece_index[n]]
            rows[count, 2 + n] = shift[n] + sign[n] * (
                first + (low - lower) / (upper - lower) * (last - first)
            )
            rows[count, 6 + n] = shift[n] + sign[n] * (
                first + (high - lower) / (upper - lower) * (last - first)
            )
            piece_index[n] -= upper == high
        count += 1
        low = high
    return rows[:count]


@compiled
def pieces_of_means(first, second, weights, y, x, height, width):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the pieces, from threshold 0 up, of weighted means of two maps with values in [0,1].

    Args:
        first: (h,w) values of the map that has the weight.
        second: (h,w) values of the other map.
        weights: (K,) weights of the first map.
        y: (h,) rows of the values in the frame.
        x: (w,) columns of the values in the frame.
        height: height of the frame in pixels.
        width: width of the frame in pixels.

    Returns:
        The number of pieces of each mean (K,), none if it is flat, and their rows, one mean after the other.
    """
    counts = np.zeros(weights.size, np.int64)
    parts = [np.empty((0, NUMBERS_PER_PIECE))]
    for k in range(weights.size):
        mean = weights[k] * first + (1 - weights[k]) * second
        if mean.max() > mean.min():
            part = pieces(mean, y, x, height, width, 0.0)
            counts[k] = len(part)
            parts.append(part)
    rows = np.empty((counts.sum(), NUMBERS_PER_PIECE))
    begin = 0
    for part in parts:
        rows[begin : begin + len(part)] = part
        begin += len(part)
    return counts, rows


@dataclass(frozen=True, eq=False)
class Trace:
    """Boxes (xyxy, in the frame) over thresholds; each edge is linear inside a piece, and jumps only between pieces."""

    rows: FloatArray
    """(P,10) a row per piece, ascending: the thresholds at which it begins and ends, its box (4,) at the beginning, and
    the limit of the box (4,) at the end. Above the last piece there is no box."""


EMPTY = Trace(np.zeros((0, NUMBERS_PER_PIECE)))
"""Trace of a flat or missing map: no box at any threshold."""


def trace(prediction: "Surface | GivenBoxes | None") -> Trace:
    """Return the box of the peak's component at all thresholds from 0, for a map scaled to [0,1]; empty without a map.

    For submitted boxes, it is the box with the highest confidence at every threshold in [0,1).

    >>> from locus.scoring.surface import surface
    >>> spot = trace(surface([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (30, 30), "conventional"))
    >>> spot.rows.tolist()
    [[0.0, 1.0, 5.0, 5.0, 25.0, 25.0, 15.0, 15.0, 15.0, 15.0]]
    """
    if isinstance(prediction, GivenBoxes):
        box = prediction.boxes[0]
        return Trace(np.concatenate([[0.0, 1.0], box, box])[None])
    if prediction is None or prediction.flat or prediction.span[1] <= 0:
        return EMPTY
    return Trace(pieces(prediction.values, prediction.y, prediction.x, *prediction.frame, 0.0))


def traces_of_means(first: Surface, second: Surface, weights: FloatArray) -> Iterator[Trace]:
    """Yield the trace of the mean of two maps at each of the ``weights`` (K,) of the first map.

    Both maps have values in [0,1] at the same vertices. A flat mean has an empty trace.
    """
    counts, rows = pieces_of_means(
        first.values, second.values, weights, first.y, first.x, *first.frame
    )
    begin = 0
    for count in counts.tolist():
        yield Trace(rows[begin : begin + count])
        begin += count


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
