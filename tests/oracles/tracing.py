"""Boxes of one trace in plain NumPy, and boxes of its surface at each threshold alone."""

import numpy as np

from locus.core.frames import Grid
from locus.scoring.surface import all_boxes

SHIFTS = (None, (-11, 9), (8, -12))
"""Shifts of the ``placed`` grids from the conventional one, in pixels of an input of 96."""


def placed(shift, shape):
    """Return a grid of a (h, w) map that is shifted, so that positions of fine maps are outside the image."""
    if shift is None:
        return "conventional"
    stride = tuple(96 / n for n in shape)
    return Grid((96, 96), stride, tuple((step - 1) / 2 + by for step, by in zip(stride, shift, strict=True)))


def boxes(trace, thresholds):
    """(T,) thresholds -> (T,4) boxes of the highest vertex's component, exact; nan where nothing is above.

    Thresholds below the first critical one give the first box.
    """
    at = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if not len(trace.rows):
        return np.full((len(at), 4), np.nan)
    low, high = trace.rows[:, 0], trace.rows[:, 1]
    start, stop = trace.rows[:, 2:6], trace.rows[:, 6:]
    piece = np.clip(np.searchsorted(low, at, side="right") - 1, 0, len(low) - 1)
    part = np.clip((at - low[piece]) / (high - low)[piece], 0, 1)[:, None]
    found = start[piece] + part * (stop - start)[piece]
    return np.where(at[:, None] < high[-1], found, np.nan)


def peak_boxes(on, thresholds):
    """(T,) thresholds -> (T,4) boxes of the component with the highest vertex; nan where nothing is above."""
    each = [all_boxes(on, level)[0] for level in np.atleast_1d(thresholds)]
    return np.array([boxes[0] if len(boxes) else np.full(4, np.nan) for boxes in each])
