"""CheXlocalize: what radiologists drew on CheXpert's validation and test images, as truth masks and their boxes."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from datasets.chexpert.tables import ABNORMAL, DEVICES, FINDINGS, bases, first_in
from datasets.io import limits, rle
from datasets.io.paths import refuse_links

FILES = ("gt_segmentations_val.json", "gt_segmentations_test.json")
RENAMED = {"Airspace Opacity": "Lung Opacity"}
"""CheXlocalize's word -> CheXpert's."""


class Drawings:
    """Image -> what was drawn on it. A finding whose mask is empty was not seen there."""

    def __init__(self, root: Path, findings: Sequence[str]) -> None:
        """Read the files that lie in ``root``, in its folders of CheXpert's names, or in its folder CheXlocalize."""
        self.findings = tuple(findings)
        present = [first_in([*bases(root), root / "CheXlocalize"], (name,)) for name in FILES]
        self.files = [path for path in present if path is not None]
        refuse_links(self.files, root)
        self._packed: dict[str, dict[str, Any]] = {}
        for path in self.files:
            self._packed |= _read(path)
        self._found: dict[str, dict[str, rle.RunLengthMask]] = {}

    def __contains__(self, image: object) -> bool:
        """Whether anything of any finding was drawn on the image."""
        return isinstance(image, str) and any(len(runs.start) for runs in self._runs(image).values())

    def truth(self, image: str) -> dict[str, Any]:
        """Its (H, W) as published, where it was looked at, and in these pixels the box of each connected part."""
        frame = next((runs.size for runs in self._runs(image).values()), None)
        boxes = {finding: runs.boxes() for finding, runs in self._task(image).items()}
        return {"frame": frame, "boxes": boxes, "read_masks": partial(self.masks, image) if image in self else None}

    def masks(self, image: str) -> dict[str, NDArray[np.bool_]]:
        """finding -> (H, W) mask in the same pixels."""
        return {finding: runs.mask() for finding, runs in self._task(image).items()}

    def _task(self, image: str) -> dict[str, rle.RunLengthMask]:
        drawn = {finding: runs for finding, runs in self._runs(image).items() if len(runs.start)}
        if self.findings != (ABNORMAL,):
            return {finding: runs for finding, runs in drawn.items() if finding in self.findings}
        parts = [runs for finding, runs in drawn.items() if finding != DEVICES]
        return {ABNORMAL: rle.union(parts)} if parts else {}

    def _runs(self, image: str) -> Mapping[str, rle.RunLengthMask]:
        if image in self._packed and image not in self._found:
            self._found[image] = _unpacked(image, self._packed[image])
        return self._found.get(image, {})


def _unpacked(image: str, packed: Mapping[str, Any]) -> dict[str, rle.RunLengthMask]:
    runs = {RENAMED.get(word, word): rle.decode(mask, f"the {word} mask on {image}") for word, mask in packed.items()}
    if len({one.size for one in runs.values()}) > 1:
        sizes = sorted({one.size for one in runs.values()})
        raise DataError(f"the masks on {image} have different sizes: {sizes}; get the file again")
    return runs


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        packed = json.loads(limits.require_size(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    known = {*FINDINGS, *RENAMED}
    if not isinstance(packed, dict) or not all(
        isinstance(masks, dict) and masks.keys() <= known for masks in packed.values()
    ):
        raise DataError(f"{path} is no table of image and finding to mask, as CheXlocalize's is; get the file again")
    return packed
