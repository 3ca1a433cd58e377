"""Appearance of each finding: an outline (its truth) and an opacity, drawn inside its box.

Each function takes a window's p (1, w) and q (h, 1) and a (6, 6) texture in [0, 1). The box is [-1, 1] x [-1, 1]; p =
-1 is the side of the chest wall. It returns (h, w) ``outline``, .5 on the edge of the truth mask, and (h, w)
``opacity``, the visible part. Every outline touches all four sides of its box.
"""

from collections.abc import Callable

import numpy as np

from datasets.phantom.canvas import Pixels, band, inside, noise, smooth

Look = tuple[Pixels, Pixels]


def atelectasis(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Three plate-like, slightly oblique streaks in a thin haze."""
    outline = inside((p * p) ** 2 + (q * q) ** 2, 0.5)
    phase = q * 1.5 + p * (texture[0, 0] - 0.5) + (noise(texture, p, q) - 0.5) * 0.7
    streaks = band(phase - np.rint(phase), 0.38)
    return outline, outline * (0.35 + 0.65 * streaks)


def heart(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Ellipse that leans towards the left of the patient: Cardiomegaly when it is large."""
    lean = 0.35 + 0.3 * texture[0, 0]
    across = p * np.sqrt(1 + lean * lean) - lean * q
    outline = inside(across * across + q * q, 0.16)
    return outline, outline


def effusion(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Fluid below a level that rises towards the chest wall."""
    t = np.clip((p + 1) / 2, 0, 1)
    t = np.maximum(t - 0.15, 0)
    level = -1 + (0.7 + 0.6 * texture[0, 0]) * t * (2 - t)
    edges = np.minimum(np.minimum((q - level) * 2.5, (1 - q) * 6), np.minimum((p + 1) * 6, (1 - p) * 3))
    outline = smooth(edges + 0.5)
    return outline, outline


def infiltration(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Patchy, ill-defined opacities."""
    return _patchy(inside(p * p + q * q, 0.6), p, q, texture)


def infiltration_both(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Patchy opacities in both lungs."""
    return _patchy(_both(p, q), p, q, texture)


def _patchy(outline: Pixels, p: Pixels, q: Pixels, texture: Pixels) -> Look:
    return outline, outline * smooth(noise(texture, p, q) * 2.2 - 0.5)


def _both(p: Pixels, q: Pixels) -> Pixels:
    """Outline of two lobes, one in each lung, that meet over the hila."""
    return inside(np.minimum((np.abs(p) - 0.55) ** 2 / 0.2025 + q * q, p * p * 2.4 + (q * 2.2) ** 2), 0.6)


def mass(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """One disc with lobes."""
    radius2 = p * p + q * q
    for a, b in ((0, 1), (2, 3)):
        x, y = texture[a, b] - 0.5, texture[b, a] - 0.5
        radius2 = np.minimum(radius2, ((p - x) ** 2 + (q - y) ** 2) / (1 - np.maximum(abs(x), abs(y))) ** 2)
    outline = inside(radius2, 0.6)
    return outline, outline * (0.8 + 0.2 * noise(texture, p, q))


def nodule(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """A small disc."""
    outline = inside(p * p + q * q, 0.3)
    return outline, outline


def pneumonia(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """A dense consolidation crossed by dark branches of air (air bronchograms)."""
    return _consolidated(inside(np.minimum(p * p + q * q, ((p * p) ** 2 + (q * q) ** 2) * 1.1), 0.5), p, q, texture)


def pneumonia_both(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Consolidation in both lungs, with branches of air in each."""
    return _consolidated(_both(p, q), np.abs(p) * 2 - 1.1, q, texture)


def _consolidated(outline: Pixels, p: Pixels, q: Pixels, texture: Pixels) -> Look:
    bend = (noise(texture, p, q) - 0.5) * 0.5
    air = np.maximum(band(q - p * 0.5 + bend, 0.12), band(q + p * 0.7 - 0.2 + bend, 0.1))
    return outline, outline * (0.75 + 0.25 * noise(texture, p, q)) * (1 - 0.6 * air)


def pneumothorax(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """A dark rim between the chest wall and the pleural line of the collapsed lung, which shines."""
    t, s = (1 - p) / 2, (1 - q) / 2
    radius2 = t * t + s * s  # the collapsed lung is around the corner away from the wall and the apex
    lung = 0.35 + 0.25 * texture[0, 0]
    rim = np.minimum(np.minimum((radius2 - lung) * 5, (1.6 - radius2) * 3), np.minimum(s, t) * 8)
    edges = np.minimum(rim, np.minimum(1 - s, 1 - t) * 8)
    outline = smooth(edges + 0.5)
    line = band(radius2 - lung, 0.1) * smooth(np.minimum(np.minimum(s, t), np.minimum(1 - s, 1 - t)) * 10)
    return outline, outline - 1.2 * line


LOOKS: dict[str, Callable[[Pixels, Pixels, Pixels], Look]] = {
    "Atelectasis": atelectasis, "Cardiomegaly": heart, "Effusion": effusion, "Infiltration": infiltration,
    "Mass": mass, "Nodule": nodule, "Pneumonia": pneumonia, "Pneumothorax": pneumothorax,
}  # fmt: skip
BOTH = {"Infiltration": infiltration_both, "Pneumonia": pneumonia_both}
"""Variants for boxes that extend into both lungs."""
STRENGTH = {
    "Atelectasis": 0.38, "Effusion": 0.38, "Infiltration": 0.32, "Mass": 0.50, "Nodule": 0.44,
    "Pneumonia": 0.38, "Pneumothorax": -0.23,
}  # fmt: skip
"""Brightness that a finding adds at opacity 1; the heart is drawn with the anatomy instead."""
