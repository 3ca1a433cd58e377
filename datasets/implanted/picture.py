"""Draw the findings of a phantom patient into a real radiograph: position, appearance and heart size.

The lungs may be at other places than in the phantom. A finding drawn over the abdomen or outside the body would be
invisible and its label wrong, so several random positions are tried and the one with the most air is used.

Findings are softer than in the phantom, so that a network cannot memorise their shapes: edges are blurred, density
varies inside a finding, and lung markings vanish behind a pneumothorax.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from datasets.phantom.canvas import Pixels, UnitBox, Window, noise, smooth, window
from datasets.phantom.findings import STRENGTH
from datasets.phantom.patient import Lesion, Patient
from datasets.phantom.places import BOX_STATISTICS, place_box

DRAWING = 1
"""Version of the drawing; increase it when the same number gives other pixels."""
USUAL_HEART: UnitBox = (0.40, 0.455, 0.71, 0.725)
"""Usual position of the heart: the median of the phantom's hearts that are not enlarged."""
REACH = 1.9
"""Extent of the deformation around the heart, in half sides of the heart's new box."""
TONE = (0.85, 2.0)
"""Range of the random exponent of the exposure."""
SOFT = (0.01, 0.035)
"""Range of the width of a finding's blurred edge, as a share of the image side."""
CRISP = 0.6
"""Share of the pneumothoraces with a pleural line as fine as in the phantom."""
VANISHED = 0.8
"""Degree to which lung markings vanish behind a pneumothorax, in [0, 1]."""
HEART_TONE = 0.12
"""Strength of an enlarged heart, as in ``STRENGTH``."""
OUTSIDE = 0.08
"""Tone below which a pixel is outside the body."""
WHITER = 0.05
"""Difference between the whitest tone of a finding and the 90th percentile of the image."""


def exposed(background: NDArray[np.uint8], heart: Lesion, exposure: float) -> Pixels:
    """Return the ``background``, (S,S) uint8, as tones in [0,1], with its heart stretched to ``heart``.

    ``exposure`` in [0,1) selects the exponent of the tones, within the range ``TONE``.
    """
    low, high = TONE
    return _with_heart((background.astype(np.float32) / 255) ** np.float32(low * (high / low) ** exposure), heart)


def implant(image: Pixels, patient: Patient, conspicuity: Mapping[str, float]) -> NDArray[np.uint8]:
    """Draw the patient's findings into the ``exposed`` image: (S,S) uint8."""
    image, white = image.copy(), whitest(image)
    for lesion in patient.lesions:
        _draw(image, lesion, patient.conspicuity * conspicuity[lesion.finding], white)
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)


def _draw(image: Pixels, lesion: Lesion, factor: float, white: float) -> None:
    """Draw a finding: whiten pixels darker than ``white``, or darken and blur the inside of a pneumothorax."""
    at = window(len(image), lesion.box, margin=0.4)
    opacity = _opacity(lesion, at, len(image))
    part = image[at.rows, at.columns]
    if lesion.finding == "Pneumothorax":
        part += np.clip(opacity, 0, 1) * (_blurred(part, max(len(image) // 32, 1)) - part) * VANISHED
    strength = HEART_TONE if lesion.finding == "Cardiomegaly" else STRENGTH[lesion.finding] * 1.4
    part += strength * factor * opacity * np.maximum(white - part if strength > 0 else part, 0)


def _opacity(lesion: Lesion, at: Window, size: int) -> Pixels:
    """Return the (h, w) visible opacity of the finding, with a soft edge and an uneven density."""
    _, outline, opacity = lesion.look(size)
    if lesion.finding == "Pneumonia":
        opacity = outline * (0.4 + 0.8 * noise(lesion.texture, at.p, at.q))
    elif lesion.finding in ("Effusion", "Mass", "Nodule"):
        opacity = opacity * (0.75 + 0.4 * noise(lesion.texture.T, at.p, at.q))
    elif lesion.finding == "Pneumothorax" and lesion.texture[4, 4] < CRISP:
        return opacity
    low, high = SOFT
    return _blurred(opacity, max(round((low + (high - low) * float(lesion.texture[5, 5])) * size), 1))


def _blurred(values: Pixels, reach: int) -> Pixels:
    """Box blur over 2 * ``reach`` + 1 pixels along both axes, with repeated edges."""
    for axis, n in enumerate(values.shape):
        pads = [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(values, pads, mode="edge").cumsum(axis, dtype=np.float32)
        high, low = (np.take(wide, np.arange(k, k + n), axis) for k in (2 * reach + 1, 0))
        values = (high - low) / (2 * reach + 1)
    return values


def _with_heart(image: Pixels, heart: Lesion) -> Pixels:
    """Stretch the content of ``USUAL_HEART`` to the box ``heart``; the surroundings move less."""
    copy = image.copy()
    at = window(len(image), heart.box, margin=REACH - 1)
    share = smooth((REACH - np.sqrt(at.p * at.p + at.q * at.q)) / (REACH - 0.7))  # 1 in the heart, 0 at the reach
    rows, columns = (_moved(unit, share, heart.box, axis, len(image)) for unit, axis in ((at.q, 1), (at.p, 0)))
    copy[at.rows, at.columns] = _sampled(image, rows, columns)
    return copy


def _moved(unit: Pixels, share: Pixels, box: UnitBox, axis: int, size: int) -> Pixels:
    """Return the source positions of the window's pixels along one ``axis`` (0 across, 1 down)."""
    middles = ((b[axis] + b[axis + 2] + unit * (b[axis + 2] - b[axis])) / 2 for b in (USUAL_HEART, box))
    usual, target = (middle * size - 0.5 for middle in middles)
    return share * usual + (1 - share) * target


def _sampled(image: Pixels, rows: Pixels, columns: Pixels) -> Pixels:
    """Sample ``image`` bilinearly at positions in pixels, clamped to the image."""
    last = len(image) - 1
    rows, columns = np.clip(rows, 0, last), np.clip(columns, 0, last)
    top, left = np.minimum(rows.astype(np.int64), last - 1), np.minimum(columns.astype(np.int64), last - 1)
    down, right = rows - top, columns - left
    upper = image[top, left] * (1 - right) + image[top, left + 1] * right
    lower = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down


def whitest(image: Pixels) -> float:
    """Return the tone at which findings saturate in this image, in [0,1].

    >>> round(whitest(np.full((4, 4), 0.5, np.float32)), 2) > 0.5
    True
    """
    return min(float(np.quantile(image, 0.9)) + WHITER, 1.0)


def arranged(patient: Patient, image: Pixels, tries: int, rng: np.random.Generator) -> Patient:
    """Return the patient with each finding but the heart at the airiest of ``tries`` positions in ``image``, (S,S)."""
    white = whitest(image)
    return replace(patient, lesions=tuple(_airiest(lesion, image, white, tries, rng) for lesion in patient.lesions))


def _airiest(lesion: Lesion, image: Pixels, white: float, tries: int, rng: np.random.Generator) -> Lesion:
    u: NDArray[np.float64] = rng.random((tries - 1, 7))
    if lesion.finding == "Cardiomegaly":
        return lesion
    statistics = BOX_STATISTICS[lesion.finding]
    others = [Lesion(lesion.finding, place_box(statistics, row.tolist()), lesion.texture) for row in u]
    return max([lesion, *others], key=lambda one: air(one, image, white))


def air(lesion: Lesion, image: Pixels, white: float) -> float:
    """Return the mean of ``white`` minus the tone within the finding's outline; 0 for pixels outside the body.

    This is the contrast, in tones of [0,1], that a white finding can have at this position.
    """
    at, outline, _ = lesion.look(len(image))
    part = image[at.rows, at.columns]
    room = np.maximum(white - part, 0) * (part > OUTSIDE)
    return float((room * outline).sum() / max(float(outline.sum()), 1e-6))
