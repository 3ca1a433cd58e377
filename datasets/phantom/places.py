"""Positions and sizes of findings: statistics of NIH's 984 published boxes, as quantile functions.

All values are shares of the image side. The 10th, 50th and 90th percentiles are those of all published boxes; the
quartiles and the two extremes (of the smallest and largest 2%) are those of 604 of them. Source: BBox_List_2017.csv.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.phantom.canvas import UnitBox

Quantiles = tuple[float, ...]
PROBABILITIES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
EDGE = 0.02
"""Minimum distance of a box from the edge, as a share of the image side."""
WIDE = 0.4
"""Boxes wider than this extend into both lungs."""


@dataclass(frozen=True)
class BoxStatistics:
    """Box statistics of one finding; quantiles at the shares 0, .1, .25, .5, .75, .9 and 1."""

    width: Quantiles
    height: Quantiles
    y: Quantiles
    """Of the centre."""
    left: float
    """Median x of the centres in the left half of the image."""
    right: float
    """Median x of the centres in the right half."""
    std_x: float
    """Standard deviation of x within a half."""
    share_right: float
    alike: float
    """Share of boxes whose width and height have the same rank (independent in the others)."""
    tilt: float
    """Share of boxes whose height and y have the same rank, or opposite ranks if negative."""


# fmt: off
BOX_STATISTICS = {
    "Atelectasis": BoxStatistics(
        width=(0.07, 0.1, 0.13, 0.17, 0.25, 0.32, 0.64), height=(0.03, 0.06, 0.08, 0.11, 0.17, 0.22, 0.36),
        y=(0.26, 0.43, 0.49, 0.57, 0.65, 0.71, 0.79), left=0.3, right=0.72, std_x=0.06,
        share_right=0.5, alike=0.3, tilt=0.15,
    ),
    "Cardiomegaly": BoxStatistics(
        width=(0.37, 0.4, 0.44, 0.47, 0.5, 0.53, 0.6), height=(0.26, 0.3, 0.34, 0.37, 0.41, 0.44, 0.5),
        y=(0.42, 0.49, 0.52, 0.57, 0.61, 0.65, 0.71), left=0.47, right=0.58, std_x=0.035,
        share_right=0.95, alike=0.45, tilt=0.2,
    ),
    "Effusion": BoxStatistics(
        width=(0.05, 0.1, 0.16, 0.2, 0.26, 0.31, 0.4), height=(0.05, 0.09, 0.16, 0.27, 0.44, 0.59, 0.7),
        y=(0.33, 0.42, 0.46, 0.56, 0.64, 0.71, 0.8), left=0.24, right=0.79, std_x=0.05,
        share_right=0.49, alike=0.15, tilt=-0.6,
    ),
    "Infiltration": BoxStatistics(
        width=(0.09, 0.16, 0.19, 0.22, 0.31, 0.65, 0.72), height=(0.09, 0.15, 0.19, 0.26, 0.38, 0.48, 0.6),
        y=(0.32, 0.38, 0.44, 0.52, 0.59, 0.67, 0.77), left=0.31, right=0.71, std_x=0.06,
        share_right=0.56, alike=0.55, tilt=-0.25,
    ),
    "Mass": BoxStatistics(
        width=(0.05, 0.07, 0.09, 0.12, 0.17, 0.31, 0.5), height=(0.05, 0.08, 0.1, 0.14, 0.21, 0.36, 0.5),
        y=(0.24, 0.31, 0.37, 0.45, 0.51, 0.6, 0.7), left=0.33, right=0.71, std_x=0.06,
        share_right=0.47, alike=0.85, tilt=0.0,
    ),
    "Nodule": BoxStatistics(
        width=(0.035, 0.05, 0.055, 0.07, 0.085, 0.1, 0.12), height=(0.035, 0.04, 0.05, 0.07, 0.08, 0.1, 0.12),
        y=(0.2, 0.29, 0.35, 0.47, 0.57, 0.7, 0.8), left=0.27, right=0.76, std_x=0.06,
        share_right=0.52, alike=0.9, tilt=0.0,
    ),
    "Pneumonia": BoxStatistics(
        width=(0.11, 0.16, 0.18, 0.22, 0.26, 0.57, 0.7), height=(0.1, 0.16, 0.19, 0.27, 0.38, 0.5, 0.62),
        y=(0.33, 0.42, 0.48, 0.56, 0.61, 0.69, 0.78), left=0.3, right=0.71, std_x=0.06,
        share_right=0.53, alike=0.5, tilt=-0.5,
    ),
    "Pneumothorax": BoxStatistics(
        width=(0.05, 0.09, 0.13, 0.2, 0.25, 0.31, 0.36), height=(0.04, 0.08, 0.12, 0.2, 0.28, 0.52, 0.6),
        y=(0.07, 0.15, 0.18, 0.25, 0.39, 0.61, 0.78), left=0.3, right=0.69, std_x=0.06,
        share_right=0.43, alike=0.5, tilt=0.5,
    ),
}
HEART = BoxStatistics(
    width=(0.25, 0.27, 0.29, 0.31, 0.33, 0.345, 0.355), height=(0.21, 0.23, 0.25, 0.27, 0.29, 0.31, 0.33),
    y=(0.5, 0.54, 0.565, 0.59, 0.615, 0.64, 0.67), left=0.5, right=0.555, std_x=0.018,
    share_right=1.0, alike=0.5, tilt=0.2,
)
"""The normal heart."""
# fmt: on


def place_box(statistics: BoxStatistics, u: Sequence[float]) -> UnitBox:
    """Return the box of a finding from seven random numbers ``u`` in [0, 1).

    They select the width, equal ranks of width and height, the height, equal ranks of height and y, y, the side, and x.
    """
    width = _at(u[0], statistics.width)
    rank = u[0] if u[1] < statistics.alike else u[2]
    height = _at(rank, statistics.height)
    y = _at(_tilted(rank, statistics.tilt, u[3], u[4]), statistics.y)
    return _box_inside(_centre_x(statistics, width, u[5], u[6]), y, width, height)


def _tilted(rank: float, tilt: float, chance: float, free: float) -> float:
    if chance >= abs(tilt):
        return free
    return rank if tilt > 0 else 1 - rank


def _centre_x(statistics: BoxStatistics, width: float, side: float, u: float) -> float:
    if width > WIDE and statistics.width[3] < WIDE:
        return _at(u, (0.43, 0.46, 0.485, 0.51, 0.535, 0.56, 0.60))
    middle = statistics.right if side < statistics.share_right else statistics.left
    return middle + statistics.std_x * _at(u, (-2.0, -1.28, -0.67, 0.0, 0.67, 1.28, 2.0))


def _box_inside(x: float, y: float, width: float, height: float) -> UnitBox:
    x = min(max(x, EDGE + width / 2), 1 - EDGE - width / 2)
    y = min(max(y, EDGE + height / 2), 1 - EDGE - height / 2)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _at(share: float, quantiles: Quantiles) -> float:
    return float(np.interp(share, PROBABILITIES, quantiles))
