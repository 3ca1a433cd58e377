"""The files of ChestX-Det and ChestX-Det10 as published: findings, boxes and polygons of each image."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from core.errors import DataError, examples
from core.types import FloatArray
from datasets.io.tables import refuse_unknown

FRAME = (1024, 1024)
"""(H, W) of every image as published: they are NIH's."""
FINDINGS = (
    "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "Diffuse Nodule", "Effusion", "Emphysema",
    "Fibrosis", "Fracture", "Mass", "Nodule", "Pleural Thickening", "Pneumothorax",
)  # fmt: skip
TEN = tuple(finding for finding in FINDINGS if finding not in ("Cardiomegaly", "Diffuse Nodule", "Pleural Thickening"))
EXPECTED = "entries with file_name, syms, boxes and polygons are expected"
FILES = {"train": ("ChestX_Det_train.json", "train.json"), "test": ("ChestX_Det_test.json", "test.json")}


class Entry:
    """What a file says about one image: its findings, their boxes and polygons in the frame."""

    def __init__(self, path: Path, raw: Mapping[str, Any]) -> None:
        """Raises ``DataError`` with the image where lists differ in length or an outline is none."""
        self.findings = [str(word) for word in raw["syms"]]
        refuse_unknown(path, self.findings, FINDINGS)
        outlines = [np.array(points, np.float64).reshape(-1, 2) for points in raw.get("polygons") or []]
        if any(len(points) < 3 or not np.isfinite(points).all() for points in outlines):
            raise DataError(f"{path}: {raw['file_name']} has a polygon of less than 3 points, or one of no numbers")
        boxes = raw["boxes"] if "boxes" in raw or "polygons" not in raw else [[*p.min(0), *p.max(0)] for p in outlines]
        if len(boxes) != len(self.findings) or (outlines and len(outlines) != len(self.findings)):
            counts = f"{len(self.findings)} syms, {len(boxes)} boxes and {len(outlines)} polygons"
            raise DataError(f"{path}: {raw['file_name']} has {counts}: all need the same number")
        edges = [np.array(box, np.float64).reshape(4) for box in boxes]
        self.boxes: list[tuple[str, FloatArray]] = list(zip(self.findings, edges, strict=True))
        self.polygons: dict[str, list[FloatArray]] = {}
        for finding, points in zip(self.findings, outlines, strict=bool(outlines)):
            self.polygons.setdefault(finding, []).append(points)


def read_entries(paths: dict[str, Path]) -> tuple[dict[str, Entry], dict[str, str]]:
    """Image -> what is known about it, and its side, from both files."""
    entries: dict[str, Entry] = {}
    sides: dict[str, str] = {}
    for split, path in paths.items():
        try:
            read = [(str(raw["file_name"]), Entry(path, raw)) for raw in _listed(path)]
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"cannot read {path}: {EXPECTED} ({str(error)[:200]})") from error
        if not read:
            raise DataError(f"{path} lists no image: {EXPECTED}")
        names = [name for name, _ in read]
        twice = sorted(name for name, count in Counter(names).items() if count > 1 or name in entries)
        if twice:
            raise DataError(f"{path} has {len(twice)} images listed twice: {examples(twice)}; keep one of each")
        entries |= dict(read)
        sides |= dict.fromkeys(names, split)
    return entries, sides


def _listed(path: Path) -> list[Any]:
    """The entries of a file. Raises ``TypeError`` for a file that holds something else than a list."""
    entries = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(entries, list):
        raise TypeError("it holds no list")
    return entries


def masks(polygons: Mapping[str, list[FloatArray]]) -> dict[str, NDArray[np.bool_]]:
    """Finding -> (1024, 1024) mask: the pixels whose centre lies in one of its polygons.

    Polygons are (n,2) points x, y in the frame, pixel i covering [i, i+1).
    """
    drawings = {}
    for finding, outlines in polygons.items():
        drawings[finding] = np.zeros(FRAME, bool)
        for points in outlines:
            inside = polygon(points[:, 1] - 0.5, points[:, 0] - 0.5, FRAME)  # type: ignore[no-untyped-call]
            drawings[finding][inside] = True
    return drawings
