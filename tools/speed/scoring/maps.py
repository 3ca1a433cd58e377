"""Reproducible random maps to score."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.pixels import painted
from core.seeds import generator
from tools.speed import names

Map = NDArray[np.float32]


def smooth(positions: int, seed: int) -> Map:
    """Return a (h,w) float32 map in [0,1] like a class activation map: noise, blurred over a tenth of its side."""
    noise = generator(seed, "smooth map").random((positions, positions))
    return scaled(blurred(noise))


def blurred(noise: NDArray[np.floating]) -> NDArray[np.floating]:
    """Blur (h,w) noise over a tenth of its side, at least over .6 positions."""
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), max(len(noise) / 10, 0.6)))


def scaled(values: NDArray[np.generic]) -> Map:
    """Min-max scale values to [0,1] float32."""
    return painted.min_max_float32(np.asarray(values, dtype=np.float32))


def picture(kind: str, side: int) -> Map:
    """Return a (side,side) float32 map of a ``kind`` in [0,1]."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    return np.asarray(KINDS[kind](y, x), dtype=np.float32)


def _coarse(positions: int) -> Callable[[NDArray[np.float64], NDArray[np.float64]], Map]:
    def draw(y: NDArray[np.float64], x: NDArray[np.float64]) -> Map:
        return scaled(cv2.resize(smooth(positions, 0), (len(x), len(y))))

    return draw


def _spots(*spots: tuple[float, float, float]) -> Callable[[NDArray[np.float64], NDArray[np.float64]], Map]:
    """Return a function that draws Gaussian spots, each (y, x, width)."""

    def draw(y: NDArray[np.float64], x: NDArray[np.float64]) -> Map:
        return scaled(np.max([np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * s**2)) for a, b, s in spots], 0))

    return draw


def _radius(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hypot(y - 0.5, x - 0.5)


KINDS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.floating]]] = {
    "7×7 map": _coarse(7),
    "14×14 map": _coarse(14),
    "32×32 map": _coarse(32),
    "spots": _spots((0.3, 0.3, 0.1), (0.6, 0.7, 0.15), (0.8, 0.2, 0.05)),
    "spot at the border": _spots((0.5, 0.0, 0.15)),
    "one pixel": lambda y, x: ((y > 0.5) & (y < 0.5 + 1.1 / len(y)) & (x > 0.5) & (x < 0.5 + 1.1 / len(y))) * 1.0,
    "plateaus": lambda y, x: np.floor(8 * _spots((0.4, 0.4, 0.2), (0.7, 0.8, 0.1))(y, x)) / 8,
    "two equal squares": lambda y, x: (
        ((abs(y - 0.3) < 0.1) & (abs(x - 0.3) < 0.1) | (abs(y - 0.7) < 0.1) & (abs(x - 0.7) < 0.1)) * 1.0
    ),
    "ring": lambda y, x: np.exp(-((_radius(y, x) - 0.3) ** 2) / 0.005),
    "nested rings": lambda y, x: (1 + np.cos(40 * _radius(y, x))) / 2 * (1 - _radius(y, x)),
    "full frame with a hole": lambda y, x: (_radius(y, x) > 0.2) * 1.0,
    "thin lines": lambda y, x: ((np.floor(y * len(y)) % 16 == 0) | (np.floor(x * len(x)) % 16 == 0)) * x,
    "checkerboard": lambda y, x: ((np.floor(y * len(y) / 8) + np.floor(x * len(x) / 8)) % 2) * 1.0,
    "low range": lambda y, x: 0.05 * _spots((0.4, 0.6, 0.2))(y, x),
    "blurred noise": lambda y, x: scaled(cv2.GaussianBlur(generator(0, "noise").random(y.shape), (0, 0), 2)),
    names.NOISE: lambda y, x: generator(0, "noise").random(y.shape, dtype=np.float32),
}
"""Kind -> function of the pixel centres y, x in [0,1]: class activation maps, and hard maps for a contour search."""
