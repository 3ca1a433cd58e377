"""The anatomy of a phantom patient, drawn into an image: body, lungs, bones, vessels, mediastinum and heart.

All lengths are in units of half the image's side, with (0, 0) in the middle (a window's p and q). Each step takes its
own numbers u in [0, 1) from ``Patient.anatomy``; tones are shares of white.
"""

import numpy as np

from datasets.phantom.canvas import Pixels, UnitBox, Window, add, band, blend, inside, smooth, window
from datasets.phantom.patient import Patient

LUNG_BOXES: tuple[UnitBox, UnitBox] = ((0.12, 0.25, 0.46, 0.8), (0.54, 0.25, 0.88, 0.8))
"""Where the vessels branch, left and right in the image."""


def torso(image: Pixels, at: Window, patient: Patient) -> Pixels:
    """Draw the body, and give its (size, size) level: shoulders narrow towards the neck, the abdomen is brighter."""
    width, slope = patient.anatomy["torso"]
    half = np.minimum(0.95 + 0.2 * width, 0.35 + (at.q + 1) * (1.8 + slope))
    body = smooth((half - np.abs(at.p)) * 12 + 0.5)
    blend(image, at, body, 0.55)
    add(image, at, smooth(at.q * 1.4 - 0.1) * body, 0.14)
    return body


def lungs(image: Pixels, at: Window, patient: Patient) -> Pixels:
    """Draw both lung fields, ellipses cut by a domed diaphragm, and give their (size, size) level."""
    left, right, apex, width, air = patient.anatomy["lungs"]
    top, half_width = -0.84 + 0.08 * apex, 0.31 + 0.05 * width
    level = np.zeros((at.q.size, at.p.size), np.float32)
    for side, shift, bottom in zip((-1, 1), (left, right), patient.diaphragm, strict=True):
        across = (at.p - 0.42 * side - 0.04 * (shift - 0.5)) / half_width
        floor = 2 * bottom - 1
        half_height = (floor - top) * 0.62
        along = (at.q - top - half_height) / half_height
        dome = floor + 0.16 * (across * across * 0.5 - 0.6 * side * across - 0.25)
        field = np.minimum(inside(across * across + (along * along) ** 2, 0.25), smooth((dome - at.q) * 14 + 0.5))
        np.maximum(level, field, out=level)
    blend(image, at, level, 0.24 + 0.08 * air)
    return level


def bones(image: Pixels, at: Window, level: Pixels, patient: Patient) -> None:
    """Draw ribs, as one wave over the lungs' ``level``, and both clavicles."""
    bow, shift, count, contrast = patient.anatomy["ribs"]
    out = np.abs(at.p) - 0.1
    phase = (at.q - (out - 0.45) ** 2 * (0.9 + 0.4 * bow) - 0.2 * shift) * (4.4 + 1.2 * count)
    add(image, at, band(phase - np.rint(phase), 0.26) * level, 0.05 + 0.05 * contrast)
    rise, height = patient.anatomy["clavicles"]
    line = at.q + 0.72 - 0.06 * height + (out - out * out) * (0.25 + 0.2 * rise)
    add(image, at, band(line, 0.045) * smooth(out * 12) * smooth((0.85 - out) * 8), 0.12)


def vessels(image: Pixels, patient: Patient) -> None:
    """Draw six branches that leave each hilum and thin out towards the chest wall."""
    jitters = patient.anatomy["vessels"]
    for side, box in zip((-1, 1), LUNG_BOXES, strict=True):
        at = window(image.shape[0], box)
        out = (1 + side * at.p) / 2
        fade = smooth(1.05 - out) * smooth(out * 9)
        for k, jitter in enumerate(jitters[:6] if side < 0 else jitters[6:]):
            way = at.q + 0.25 - out * (-1.1 + 0.5 * k + 0.4 * jitter) * (0.7 + 0.3 * out)
            add(image, at, band(way, 0.07) * fade, 0.07)


def mediastinum(image: Pixels, at: Window, patient: Patient) -> None:
    """Draw mediastinum, spine, gastric bubble and the heart, which is always there."""
    width, bubble_x, bubble_width, tone = patient.anatomy["mediastinum"]
    column = smooth((0.13 + 0.05 * width + 0.03 * at.q - np.abs(at.p - 0.02)) * 12 + 0.5)
    blend(image, at, column * 0.85, 0.60)
    add(image, at, band(at.p, 0.08) * smooth(1 - at.q), 0.05)
    bubble_box = around(0.70 + 0.05 * bubble_x, patient.diaphragm[1] + 0.09, 0.05 + 0.03 * bubble_width, 0.03)
    bubble = window(image.shape[0], bubble_box, margin=0.3)
    blend(image, bubble, inside(bubble.p * bubble.p + bubble.q * bubble.q, 0.3) * 0.6, 0.35)
    heart, outline, _ = patient.heart.look(image.shape[0])
    blend(image, heart, outline * 0.85, 0.62 + 0.06 * tone)


def around(x: float, y: float, half_width: float, half_height: float) -> UnitBox:
    """The box around a point; shares of the image's side."""
    return x - half_width, y - half_height, x + half_width, y + half_height
