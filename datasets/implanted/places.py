"""Where findings are implanted: of several places that real boxes of the finding have, the one with the most air.

A radiograph's lungs do not lie where the phantom's do. A finding drawn over the abdomen or outside the body would not
be seen, and its label would be wrong; where there is air, it is seen.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from datasets.phantom.canvas import Pixels
from datasets.phantom.patient import Lesion, Patient
from datasets.phantom.places import PLACES, place_box

OUTSIDE = 0.08
"""Tone below which a pixel lies outside the body."""
WHITER = 0.05
"""How much whiter than nine tenths of the image a finding can be."""


def whitest(image: Pixels) -> float:
    """The tone at which findings saturate in this image, in [0,1].

    >>> round(whitest(np.full((4, 4), 0.5, np.float32)), 2) > 0.5
    True
    """
    return min(float(np.quantile(image, 0.9)) + WHITER, 1.0)


def arranged(patient: Patient, image: Pixels, tries: int, rng: np.random.Generator) -> Patient:
    """The patient with each finding but the heart at the airiest of ``tries`` places in ``image``, (S,S) in [0,1]."""
    white = whitest(image)
    return replace(patient, lesions=tuple(_airiest(lesion, image, white, tries, rng) for lesion in patient.lesions))


def _airiest(lesion: Lesion, image: Pixels, white: float, tries: int, rng: np.random.Generator) -> Lesion:
    u: NDArray[np.float64] = rng.random((tries - 1, 7))
    if lesion.finding == "Cardiomegaly":
        return lesion
    others = [Lesion(lesion.finding, place_box(PLACES[lesion.finding], row.tolist()), lesion.texture) for row in u]
    return max([lesion, *others], key=lambda one: air(one, image, white))


def air(lesion: Lesion, image: Pixels, white: float) -> float:
    """Mean darkness below ``white`` within the finding's outline; what lies outside the body has none.

    In tones of [0,1]: how much room there is for something white to be seen.
    """
    at, outline, _ = lesion.look(len(image))
    part = image[at.rows, at.columns]
    room = np.maximum(white - part, 0) * (part > OUTSIDE)
    return float((room * outline).sum() / max(float(outline.sum()), 1e-6))
