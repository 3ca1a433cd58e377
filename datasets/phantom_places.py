"""Where findings lie and how large they are: the statistics of NIH's 984 published boxes, as quantile functions.

Shares of the image side. The 10th, 50th and 90th percentiles are those of all published boxes, the outermost two
those of the most extreme boxes (the smallest and largest fiftieth). Source: BBox_List_2017.csv of NIH ChestX-ray14.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.phantom_canvas import UnitBox

Quantiles = tuple[float, float, float, float, float]
SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
WIDE = 0.4
"""A box wider than this reaches into both lungs."""


@dataclass(frozen=True)
class Place:
    """The box statistics of one finding; quantiles stand at the shares 0, .1, .5, .9 and 1."""

    width: Quantiles
    height: Quantiles
    y: Quantiles
    """Of the centre."""
    left: float
    """Median x of the centres in the left half of the image."""
    right: float
    """Median x of the centres in the right half."""
    spread: float
    """Standard deviation of x within a half."""
    share_right: float
    alike: float
    """Share of boxes whose width and height have the same rank (the others: independent)."""
    tilt: float
    """Share of boxes whose height and y have the same rank, or opposite ones where negative."""


PLACES = {
    "Atelectasis": Place(
        (0.07, 0.10, 0.17, 0.32, 0.64), (0.03, 0.06, 0.11, 0.22, 0.36), (0.26, 0.43, 0.57, 0.71, 0.79), 0.30, 0.72, 0.06, 0.50, 0.30, 0.15
    ),
    "Cardiomegaly": Place(
        (0.37, 0.40, 0.47, 0.53, 0.60), (0.26, 0.30, 0.37, 0.44, 0.50), (0.42, 0.49, 0.57, 0.65, 0.71), 0.47, 0.58, 0.035, 0.95, 0.45, 0.20
    ),
    "Effusion": Place(
        (0.05, 0.10, 0.20, 0.31, 0.40), (0.05, 0.09, 0.27, 0.59, 0.70), (0.33, 0.42, 0.56, 0.71, 0.80), 0.24, 0.79, 0.05, 0.49, 0.15, -0.60
    ),
    "Infiltration": Place(
        (0.09, 0.16, 0.22, 0.65, 0.72), (0.09, 0.15, 0.26, 0.48, 0.60), (0.32, 0.38, 0.52, 0.67, 0.77), 0.31, 0.71, 0.06, 0.56, 0.55, -0.25
    ),
    "Mass": Place(
        (0.05, 0.07, 0.12, 0.31, 0.50), (0.05, 0.08, 0.14, 0.36, 0.50), (0.24, 0.31, 0.45, 0.60, 0.70), 0.33, 0.71, 0.06, 0.47, 0.85, 0.0
    ),
    "Nodule": Place(
        (0.035, 0.05, 0.07, 0.10, 0.12), (0.035, 0.04, 0.07, 0.10, 0.12), (0.20, 0.29, 0.47, 0.70, 0.80), 0.27, 0.76, 0.06, 0.52, 0.90, 0.0
    ),
    "Pneumonia": Place(
        (0.11, 0.16, 0.22, 0.57, 0.70), (0.10, 0.16, 0.27, 0.50, 0.62), (0.33, 0.42, 0.56, 0.69, 0.78), 0.30, 0.71, 0.06, 0.53, 0.50, -0.50
    ),
    "Pneumothorax": Place(
        (0.05, 0.09, 0.20, 0.31, 0.36), (0.04, 0.08, 0.20, 0.52, 0.60), (0.07, 0.15, 0.25, 0.61, 0.78), 0.30, 0.69, 0.06, 0.43, 0.50, 0.50
    ),
}
HEART = Place(
    (0.25, 0.27, 0.31, 0.345, 0.355), (0.21, 0.23, 0.27, 0.31, 0.33), (0.50, 0.54, 0.59, 0.64, 0.67), 0.50, 0.555, 0.018, 1.0, 0.5, 0.2
)
"""The heart that is not enlarged."""


def place_box(place: Place, u: Sequence[float]) -> UnitBox:
    """The box of a finding that seven numbers ``u`` in [0, 1) stand for."""
    width = _at(u[0], place.width)
    rank = u[0] if u[1] < place.alike else u[2]
    height = _at(rank, place.height)
    y = _at(_tilted(rank, place.tilt, u[3], u[4]), place.y)
    return _kept_inside(_centre_x(place, width, u[5], u[6]), y, width, height)


def _tilted(rank: float, tilt: float, chance: float, free: float) -> float:
    if chance >= abs(tilt):
        return free
    return rank if tilt > 0 else 1 - rank


def _centre_x(place: Place, width: float, side: float, u: float) -> float:
    if width > WIDE and place.width[2] < WIDE:
        return _at(u, (0.43, 0.46, 0.51, 0.56, 0.60))
    middle = place.right if side < place.share_right else place.left
    return middle + place.spread * _at(u, (-2.0, -1.28, 0.0, 1.28, 2.0))


def _kept_inside(x: float, y: float, width: float, height: float, edge: float = 0.02) -> UnitBox:
    x = min(max(x, edge + width / 2), 1 - edge - width / 2)
    y = min(max(y, edge + height / 2), 1 - edge - height / 2)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _at(share: float, quantiles: Quantiles) -> float:
    return float(np.interp(share, SHARES, quantiles))
