"""How a phantom patient becomes pixels: body, lungs, bones, vessels, heart, findings, clutter, exposure, grain."""

import numpy as np
from numpy.typing import NDArray

from datasets.phantom_canvas import WHOLE, Pixels, UnitBox, Window, add, band, blend, inside, noise, smooth, window
from datasets.phantom_findings import STRENGTH
from datasets.phantom_patient import TOKEN, Patient
from datasets.phantom_recipe import Recipe


def render(patient: Patient, recipe: Recipe, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(size, size) uint8 picture; ``rng`` gives the grain, the only thing that depends on the pixel size."""
    image = np.full((size, size), 0.03, np.float32)
    at = window(size, WHOLE)
    body = _torso(image, at, patient)
    lungs = _lungs(at, patient)
    blend(image, at, lungs, 0.24 + 0.08 * patient.anatomy[2])
    _bones(image, at, lungs, patient)
    _vessels(image, size, patient)
    _mediastinum(image, at, patient)
    _findings(image, size, patient, recipe)
    _clutter(image, size, patient, recipe)
    image += (noise(patient.texture, at.p, at.q) - 0.5) * 0.12 * body
    return _exposed(image, patient, recipe, rng)


def _torso(image: Pixels, at: Window, patient: Patient) -> Pixels:
    """Shoulders narrow towards the neck; the abdomen is brighter."""
    a = patient.anatomy
    half = np.minimum(0.95 + 0.2 * a[3], 0.35 + (at.q + 1) * (1.8 + a[4]))
    body = smooth((half - np.abs(at.p)) * 12 + 0.5)
    blend(image, at, body, 0.55)
    add(image, at, smooth(at.q * 1.4 - 0.1) * body, 0.14)
    return body


def _lungs(at: Window, patient: Patient) -> Pixels:
    """(size, size) level of both lung fields: ellipses cut by a domed diaphragm."""
    a = patient.anatomy
    level = np.zeros((at.q.size, at.p.size), np.float32)
    for side, bottom in zip((0, 1), patient.diaphragm, strict=True):
        x = (-0.42, 0.42)[side] + 0.04 * (a[5 + side] - 0.5)
        top, rx = -0.84 + 0.08 * a[7], 0.31 + 0.05 * a[8]
        across, half = (at.p - x) / rx, (2 * bottom - 1 - top) * 0.62
        along = (at.q - (top + half)) / half
        dome = 2 * bottom - 1 + 0.16 * (across * (0.6 - 1.2 * side) + across * across * 0.5 - 0.25)
        shape = np.minimum(inside(across * across + (along * along) ** 2, 0.25), smooth((dome - at.q) * 14 + 0.5))
        np.maximum(level, shape, out=level)
    return level


def _bones(image: Pixels, at: Window, lungs: Pixels, patient: Patient) -> None:
    a = patient.anatomy
    out = np.abs(at.p) - 0.1
    phase = (at.q - (out - 0.45) ** 2 * (0.9 + 0.4 * a[9]) - (0.2 * a[10])) * (4.4 + 1.2 * a[11])
    add(image, at, band(phase - np.rint(phase), 0.26) * lungs, 0.05 + 0.05 * a[12])
    rise = 0.25 + 0.2 * a[13]
    collar = at.q + 0.72 - (0.06 * a[14]) + out * rise - out * out * rise
    add(image, at, band(collar, 0.045) * smooth(out * 12) * smooth((0.85 - out) * 8), 0.12)


def _vessels(image: Pixels, size: int, patient: Patient) -> None:
    """Branches that leave each hilum and thin out towards the chest wall."""
    a = patient.anatomy[15:27]
    for side, sign in ((0, -1), (1, 1)):
        at = window(size, (0.12, 0.25, 0.46, 0.8) if side == 0 else (0.54, 0.25, 0.88, 0.8))
        out = (1 + sign * at.p) / 2
        for k, jitter in enumerate(a[6 * side : 6 * side + 6]):
            way = at.q + 0.25 - out * (-1.1 + 0.5 * k + 0.4 * jitter) * (0.7 + 0.3 * out)
            add(image, at, band(way, 0.07) * smooth(1.05 - out) * smooth(out * 9), 0.07)


def _mediastinum(image: Pixels, at: Window, patient: Patient) -> None:
    a = patient.anatomy
    half = 0.13 + 0.05 * a[27] + 0.03 * at.q
    column = smooth((half - np.abs(at.p - 0.02)) * 12 + 0.5)
    blend(image, at, column * 0.85, 0.60)
    add(image, at, band(at.p, 0.08) * smooth(1 - at.q), 0.05)
    bubble = window(image.shape[0], _around(0.70 + 0.05 * a[28], patient.diaphragm[1] + 0.09, 0.05 + 0.03 * a[29], 0.03), 0.3)
    blend(image, bubble, inside(bubble.p**2 + bubble.q**2, 0.3) * 0.6, 0.35)
    heart, outline, _ = patient.heart.look(image.shape[0])
    blend(image, heart, outline * 0.85, 0.62 + 0.06 * a[30])


def _findings(image: Pixels, size: int, patient: Patient, recipe: Recipe) -> None:
    for lesion in patient.lesions:
        if lesion.finding == "Cardiomegaly":
            continue
        at, _, opacity = lesion.look(size)
        strength = STRENGTH[lesion.finding] * patient.conspicuity * recipe.conspicuity[lesion.finding]
        room = (0.95 - image[at.rows, at.columns]) if strength > 0 else image[at.rows, at.columns] + 0.1
        add(image, at, opacity * np.maximum(room, 0) * 1.4, strength)


def _clutter(image: Pixels, size: int, patient: Patient, recipe: Recipe) -> None:
    """Tubes, electrodes and a side marker, unrelated to the findings, and the token where the patient has it."""
    a = patient.anatomy[31:]
    if a[0] < 0.35 * recipe.clutter:
        at = window(size, (0.3, 0.0, 0.7, 0.35 + 0.3 * a[1]))
        bend = (a[2] - 0.5) * 0.8 * at.q * at.q + (a[3] - 0.5) * 0.6
        add(image, at, band(at.p - bend, 0.05) * smooth((1 - at.q) * 8), 0.22)
    for k in range(3):
        if a[4 + k] < 0.2 * recipe.clutter:
            at = window(size, _around(0.15 + 0.7 * a[7 + k], 0.15 + 0.65 * a[10 + k], 0.018, 0.018), 0.4)
            blend(image, at, inside(at.p**2 + at.q**2, 0.3), 0.9)
    if a[13] < 0.8 * recipe.clutter:
        x = 0.9 if a[14] < 0.8 else 0.1
        at = window(size, _around(x, 0.05 + 0.1 * a[15], 0.02, 0.03), 0.2)
        blend(image, at, np.maximum(band(at.p + 0.8, 0.5) + 0 * at.q, band(at.q - 0.8, 0.4) + 0 * at.p), 0.95)
    if patient.token:
        at = window(size, TOKEN)
        blend(image, at, np.maximum(band(at.p, 0.45) + 0 * at.q, band(at.q, 0.45) + 0 * at.p), 0.95)


def _exposed(image: Pixels, patient: Patient, recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    contrast, brightness = 0.8 + 0.4 * patient.anatomy[46], 0.12 * (patient.anatomy[47] - 0.5)
    image = (image - 0.45) * contrast + (0.45 + brightness)
    image += rng.standard_normal(image.shape, dtype=np.float32) * recipe.grain
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)


def _around(x: float, y: float, half_width: float, half_height: float) -> UnitBox:
    return x - half_width, y - half_height, x + half_width, y + half_height
