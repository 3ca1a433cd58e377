"""Drawing primitives of the phantom: windows, soft edges and value noise, independent of the pixel size.

Pixels are computed only with sums, products, quotients and comparisons of float32 (no exp, no pow, no matrix product),
so the results are identical on every processor.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.floating]
UnitBox = tuple[float, float, float, float]
"""xyxy as shares of the image side: x to the right, y down, (0, 0) the upper left corner."""

WHOLE: UnitBox = (0.0, 0.0, 1.0, 1.0)


class Window(NamedTuple):
    """The part of an image around a box; in its coordinates the box is [-1, 1] x [-1, 1]."""

    rows: slice
    columns: slice
    p: Pixels
    """(1, w) across, at pixel centres."""
    q: Pixels
    """(h, 1) down, at pixel centres."""


def window(size: int, box: UnitBox, margin: float = 0.0) -> Window:
    """Return the pixels of a ``size`` x ``size`` image within ``box``, extended by ``margin`` half sides."""
    columns, p = _axis(size, box[0], box[2], margin)
    rows, q = _axis(size, box[1], box[3], margin)
    return Window(rows, columns, p[None], q[:, None])


def _axis(size: int, low: float, high: float, margin: float) -> tuple[slice, Pixels]:
    middle, half = (low + high) / 2, (high - low) / 2
    first = min(max(int((middle - half * (1 + margin)) * size), 0), size)
    last = max(min(int((middle + half * (1 + margin)) * size) + 1, size), first)
    centres = (np.arange(first, last, dtype=np.float64) + 0.5) / size
    return slice(first, last), ((centres - middle) / half).astype(np.float32)


def smooth(t: Pixels) -> Pixels:
    """Smooth step t*t*(3 - 2t): 0 below 0, 1 above 1."""
    t = np.minimum(np.maximum(t, 0), 1)
    return t * t * (3 - 2 * t)


def inside(radius2: Pixels, soft: float) -> Pixels:
    """Return the alpha of a shape given by squared radius: .5 on its outline (radius2 = 1), 1 inside, 0 outside."""
    return smooth((1 + soft - radius2) * (0.5 / soft))


def band(distance: Pixels, half_width: float) -> Pixels:
    """Return the alpha of a line: 1 at signed ``distance`` 0, falling to 0 at ``half_width`` on either side."""
    return smooth(1 - np.abs(distance) * (1 / half_width))


def noise(texture: Pixels, p: Pixels, q: Pixels) -> Pixels:
    """Value noise: the (k, k) ``texture`` interpolated bilinearly over [-1, 1] x [-1, 1], (h, w)."""
    low, high, share = _between(q[:, 0], texture.shape[0])
    lines = texture[low] * (1 - share[:, None]) + texture[high] * share[:, None]  # (h, k)
    low, high, share = _between(p[0], texture.shape[1])
    return lines[:, low] * (1 - share) + lines[:, high] * share


def _between(at: Pixels, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Pixels]:
    position = np.clip((at + 1) * ((n - 1) / 2), 0, n - 1)
    low = np.minimum(position.astype(np.int64), n - 2)
    return low, low + 1, position - low.astype(np.float32)


def blend(image: Pixels, at: Window, alpha: Pixels, tone: float) -> None:
    """Move the window's pixels towards ``tone`` by the share ``alpha``, in place."""
    part = image[at.rows, at.columns]
    part += alpha * (tone - part)


def add(image: Pixels, at: Window, alpha: Pixels, amount: float) -> None:
    """Add ``amount`` times ``alpha`` to the window's pixels, in place."""
    image[at.rows, at.columns] += alpha * amount
