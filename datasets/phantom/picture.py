"""How a phantom patient becomes pixels: anatomy, findings, clutter, soft tissue, exposure and grain, in this order."""

import numpy as np
from numpy.typing import NDArray

from datasets.phantom import anatomy
from datasets.phantom.canvas import WHOLE, Pixels, Window, add, band, blend, inside, noise, smooth, window
from datasets.phantom.findings import STRENGTH
from datasets.phantom.patient import TOKEN, Patient
from datasets.phantom.recipe import Recipe

AIR, WHITEST = 0.03, 0.95
"""Tone outside the body, and the tone that findings saturate at."""


def render(patient: Patient, recipe: Recipe, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(size, size) uint8 picture; ``rng`` gives the grain, the only thing that depends on the pixel size."""
    image = np.full((size, size), AIR, np.float32)
    at = window(size, WHOLE)
    body = anatomy.torso(image, at, patient)
    lungs = anatomy.lungs(image, at, patient)
    anatomy.bones(image, at, lungs, patient)
    anatomy.vessels(image, patient)
    anatomy.mediastinum(image, at, patient)
    _findings(image, patient, recipe)
    _clutter(image, patient, recipe.clutter)
    image += (noise(patient.tissue, at.p, at.q) - 0.5) * 0.12 * body
    return _exposed(image, patient, rng, recipe.grain)


def _findings(image: Pixels, patient: Patient, recipe: Recipe) -> None:
    """Each finding whitens what is not yet white, or blackens what is not yet black. The heart is anatomy."""
    for lesion in patient.lesions:
        if lesion.finding == "Cardiomegaly":
            continue
        at, _, opacity = lesion.look(image.shape[0])
        strength = STRENGTH[lesion.finding] * patient.conspicuity * recipe.conspicuity[lesion.finding]
        part = image[at.rows, at.columns]
        room = WHITEST - part if strength > 0 else part + 0.1
        add(image, at, opacity * np.maximum(room, 0) * 1.4, strength)


def _clutter(image: Pixels, patient: Patient, amount: float) -> None:
    """A tube, up to three electrodes and a side marker, unrelated to the findings; and the shortcut's token."""
    size = image.shape[0]
    presence, length, bend, lean = patient.anatomy["tube"]
    if presence < 0.35 * amount:
        at = window(size, (0.3, 0.0, 0.7, 0.35 + 0.3 * length))
        line = at.p - (bend - 0.5) * 0.8 * at.q * at.q - (lean - 0.5) * 0.6
        add(image, at, band(line, 0.05) * smooth((1 - at.q) * 8), 0.22)
    for name in ("electrode 1", "electrode 2", "electrode 3"):
        presence, x, y = patient.anatomy[name]
        if presence < 0.2 * amount:
            at = window(size, anatomy.around(0.15 + 0.7 * x, 0.15 + 0.65 * y, 0.018, 0.018), margin=0.4)
            blend(image, at, inside(at.p * at.p + at.q * at.q, 0.3), 0.9)
    presence, side, y = patient.anatomy["marker"]
    if presence < 0.8 * amount:
        box = anatomy.around(0.9 if side < 0.8 else 0.1, 0.05 + 0.1 * y, 0.02, 0.03)
        _strokes(image, window(size, box, margin=0.2), 0.8)
    if patient.token:
        _strokes(image, window(size, TOKEN), 0.0)


def _strokes(image: Pixels, at: Window, corner: float) -> None:
    """Two bright strokes that meet: an L at the window's ``corner`` .8, a cross at 0."""
    upright, level = band(at.p + corner, 0.45), band(at.q - corner, 0.45)
    blend(image, at, np.maximum(upright + 0 * at.q, level + 0 * at.p), WHITEST)


def _exposed(image: Pixels, patient: Patient, rng: np.random.Generator, grain: float) -> NDArray[np.uint8]:
    contrast, brightness = patient.anatomy["exposure"]
    image = (image - 0.45) * (0.8 + 0.4 * contrast) + (0.39 + 0.12 * brightness)
    image += rng.standard_normal(image.shape, dtype=np.float32) * grain
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
