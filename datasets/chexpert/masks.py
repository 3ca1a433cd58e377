"""CheXlocalize: radiologists' segmentations of CheXpert's validation and test images, as truth masks and boxes."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from datasets.chexpert.tables import ABNORMAL, DEVICES, FINDINGS, bases, first_in
from datasets.io import rle
from datasets.io.paths import refuse_links
from datasets.io.tables import reading_json

FILES = ("gt_segmentations_val.json", "gt_segmentations_test.json")
RENAMED = {"Airspace Opacity": "Lung Opacity"}
"""CheXlocalize's name -> CheXpert's name."""


class Drawings:
    """Segmentations by image. An empty mask means that the finding was not seen."""

    def __init__(self, root: Path, findings: Sequence[str]) -> None:
        """Read the files in ``root``, in its subfolders named like CheXpert's archives, or in CheXlocalize."""
        self.findings = tuple(findings)
        present = [first_in([*bases(root), root / "CheXlocalize"], (name,)) for name in FILES]
        self.files = [path for path in present if path is not None]
        refuse_links(self.files, root)
        self._packed: dict[str, dict[str, Any]] = {}
        for path in self.files:
            self._packed |= _read(path)
        self._decoded = cache(lambda image: _unpacked(image, self._packed[image]))

    def __contains__(self, image: object) -> bool:
        """Return True if the image has a mask that is not empty."""
        return isinstance(image, str) and any(len(runs.start) for runs in self._runs(image).values())

    def truth(self, image: str) -> dict[str, Any]:
        """Return the ``frame`` of an image (None if not annotated), its ``boxes`` and the function ``read_masks``."""
        frame = next((runs.size for runs in self._runs(image).values()), None)
        boxes = {finding: runs.boxes() for finding, runs in self._task(image).items()}
        return {"frame": frame, "boxes": boxes, "read_masks": partial(self.masks, image) if image in self else None}

    def masks(self, image: str) -> dict[str, NDArray[np.bool_]]:
        """Return finding -> (H, W) mask in the frame of the image as published."""
        return {finding: runs.mask() for finding, runs in self._task(image).items()}

    def _task(self, image: str) -> dict[str, rle.RunLengthMask]:
        drawn = {finding: runs for finding, runs in self._runs(image).items() if len(runs.start)}
        if self.findings != (ABNORMAL,):
            return {finding: runs for finding, runs in drawn.items() if finding in self.findings}
        parts = [runs for finding, runs in drawn.items() if finding != DEVICES]
        return {ABNORMAL: rle.union(parts)} if parts else {}

    def _runs(self, image: str) -> Mapping[str, rle.RunLengthMask]:
        return self._decoded(image) if image in self._packed else {}


def _unpacked(image: str, packed: Mapping[str, Any]) -> dict[str, rle.RunLengthMask]:
    runs = {RENAMED.get(word, word): rle.decode(mask, f"the {word} mask on {image}") for word, mask in packed.items()}
    if len({mask.size for mask in runs.values()}) > 1:
        sizes = sorted({mask.size for mask in runs.values()})
        raise DataError(f"the masks of {image} have different sizes ({sizes}): download the file again")
    return runs


def _read(path: Path) -> dict[str, dict[str, Any]]:
    with reading_json(path, "expected CheXlocalize's format (image -> finding -> mask): download it again") as packed:
        if not all(masks.keys() <= {*FINDINGS, *RENAMED} for masks in packed.values()):
            raise ValueError("unknown finding")
        return dict(packed)
