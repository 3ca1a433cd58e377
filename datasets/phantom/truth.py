"""What is true of a phantom patient's findings at a size: their masks, and the tight boxes of these."""

import numpy as np
from numpy.typing import NDArray

from core.boxes import as_boxes
from core.types import FloatArray
from datasets.phantom.patient import Lesion, Patient


def boxes(patient: Patient, size: int) -> dict[str, FloatArray]:
    """finding -> (M,4) tight boxes of the pieces' masks, in pixels of the image."""
    pieces: dict[str, list[tuple[int, int, int, int]]] = {}
    for lesion in patient.lesions:
        box = _tight(lesion, size)
        if box is not None:
            pieces.setdefault(lesion.finding, []).append(box)
    return {finding: as_boxes(tight) for finding, tight in pieces.items()}


def masks(patient: Patient, size: int) -> dict[str, NDArray[np.bool_]]:
    """finding -> (size, size) mask; findings that show no pixel are left out."""
    union: dict[str, NDArray[np.bool_]] = {}
    for lesion in patient.lesions:
        mask = lesion.mask(size)
        if mask.any():
            union[lesion.finding] = union.get(lesion.finding, mask) | mask
    return union


def _tight(lesion: Lesion, size: int) -> tuple[int, int, int, int] | None:
    at, outline, _ = lesion.look(size)
    mask = outline >= 0.5
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    x, y = at.columns.start, at.rows.start
    return x + int(columns[0]), y + int(rows[0]), x + int(columns[-1]) + 1, y + int(rows[-1]) + 1
