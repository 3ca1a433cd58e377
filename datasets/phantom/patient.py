"""Phantom patients in unit coordinates, independent of the pixel size, and their truth at a given size."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.boxes import as_boxes
from core.types import FloatArray
from datasets.phantom.canvas import Pixels, UnitBox, Window, window
from datasets.phantom.findings import BOTH, LOOKS
from datasets.phantom.options import FINDINGS, PhantomOptions
from datasets.phantom.places import BOX_STATISTICS, HEART, WIDE, place_box

PARTS = {
    "diaphragm": 2, "torso": 2, "lungs": 5, "ribs": 4, "clavicles": 2, "vessels": 12, "mediastinum": 4, "tube": 4,
    "electrode 1": 3, "electrode 2": 3, "electrode 3": 3, "marker": 3, "exposure": 2,
}  # fmt: skip
"""Number of random numbers for each part of the drawing."""
SECOND_NODULE = 0.3
"""Share of the images with a nodule that have two."""


@dataclass(frozen=True, eq=False)
class Lesion:
    """One connected piece of a finding, with its box."""

    finding: str
    box: UnitBox
    texture: Pixels

    def look(self, size: int) -> tuple[Window, Pixels, Pixels]:
        """Return window, outline and opacity for an image of ``size`` x ``size`` pixels."""
        at = window(size, self.box, margin=0.4)
        wide = self.box[2] - self.box[0] > WIDE
        draw = BOTH[self.finding] if wide and self.finding in BOTH else LOOKS[self.finding]
        mirrored = self.finding != "Cardiomegaly" and self.box[0] + self.box[2] > 1
        outline, opacity = draw(-at.p if mirrored else at.p, at.q, self.texture)
        return at, outline, opacity

    def mask(self, size: int) -> NDArray[np.bool_]:
        """Return the (size, size) truth: the inside of the outline."""
        at, outline, _ = self.look(size)
        whole = np.zeros((size, size), bool)
        whole[at.rows, at.columns] = outline >= 0.5
        return whole

    def tight(self, size: int) -> list[int] | None:
        """Return the box of the mask, xyxy in pixels; None if the mask has no pixel."""
        at, outline, _ = self.look(size)
        rows, columns = (np.flatnonzero((outline >= 0.5).any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return None
        x, y = at.columns.start, at.rows.start
        return [x + int(columns[0]), y + int(rows[0]), x + int(columns[-1]) + 1, y + int(rows[-1]) + 1]


@dataclass(frozen=True, eq=False)
class Patient:
    """One phantom: all numbers of the drawing, independent of the pixel size."""

    lesions: tuple[Lesion, ...]
    heart: Lesion
    anatomy: Mapping[str, tuple[float, ...]]
    """part of ``PARTS`` -> its numbers in [0, 1)."""
    tissue: Pixels
    """(9, 9) texture of the soft tissue."""
    conspicuity: float
    """Factor of all findings' brightness, .75 to 1.25."""

    @property
    def diaphragm(self) -> tuple[float, float]:
        """y of the lungs' lower edges, left and right; independent of findings, which are drawn only in their boxes."""
        left, right = self.anatomy["diaphragm"]
        return 0.71 + 0.10 * left, 0.72 + 0.10 * right

    def boxes(self, size: int) -> dict[str, FloatArray]:
        """Return finding -> (M,4) tight boxes of the pieces' masks, in pixels of a ``size`` x ``size`` image."""
        pieces: dict[str, list[list[int]]] = {}
        for lesion in self.lesions:
            if box := lesion.tight(size):
                pieces.setdefault(lesion.finding, []).append(box)
        return {finding: as_boxes(tight) for finding, tight in pieces.items()}

    def masks(self, size: int) -> dict[str, NDArray[np.bool_]]:
        """Return finding -> (size, size) mask, without findings smaller than a pixel."""
        union: dict[str, NDArray[np.bool_]] = {}
        for lesion in self.lesions:
            mask = lesion.mask(size)
            if mask.any():
                union[lesion.finding] = union.get(lesion.finding, mask) | mask
        return union


def draw_patient(rng: np.random.Generator, options: PhantomOptions) -> Patient:
    """Draw a random patient.

    The numbers taken from ``rng`` do not depend on the options, so changing one option changes nothing else about
    the patients.
    """
    anatomy = {part: tuple(rng.random(count).tolist()) for part, count in PARTS.items()}
    chance, places = rng.random(12).tolist(), rng.random((10, 7))
    textures, tissue = rng.random((10, 6, 6), dtype=np.float32), rng.random((9, 9), dtype=np.float32)
    present = [f for f, u in zip(FINDINGS, chance, strict=False) if u < options.prevalence[f]]
    chosen = [(f, i) for i, f in enumerate(FINDINGS) if f in present]
    if "Nodule" in present and chance[8] < SECOND_NODULE:
        chosen.append(("Nodule", 8))
    lesions = tuple(Lesion(f, place_box(BOX_STATISTICS[f], places[i].tolist()), textures[i]) for f, i in chosen)
    enlarged = (lesion for lesion in lesions if lesion.finding == "Cardiomegaly")
    heart = next(enlarged, Lesion("Cardiomegaly", place_box(HEART, places[9].tolist()), textures[1]))
    return Patient(lesions, heart, anatomy, tissue, conspicuity=0.75 + 0.5 * chance[10])
