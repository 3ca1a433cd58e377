"""Base class of data sets that are read from files, and functions that build their rows."""

import functools
import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.boxes import area, as_boxes
from core.errors import DataError, examples
from core.types import FloatArray, Sample
from datasets import splits
from datasets.base import Dataset, Request
from datasets.chexmask import LungMasks
from datasets.columns import Columns
from datasets.io import images
from datasets.table_rows import TableRows

log = logging.getLogger(__name__)
BoxesByImage = dict[str, dict[str, FloatArray]]
"""Image -> finding -> (M,4) boxes in the image's frame."""
SHARES = "give boxes in pixels of the published image, not as fractions of its width and height"
"""Advice for boxes narrower than a pixel."""


class FileDataset(Dataset):
    """Data set whose constructor sets ``rows``, one sample per image."""

    rows: Sequence[Sample]
    lungs: LungMasks | None = None
    """Lung masks that are added to the samples."""

    def __len__(self) -> int:
        return len(self.rows)

    @functools.cached_property
    def columns(self) -> Columns:
        """Names, labels and truth of all images."""
        return self.rows.columns() if isinstance(self.rows, TableRows) else super().columns

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index``; its file is decoded on demand."""
        return self.lungs.add(self.rows[index]) if self.lungs else self.rows[index]


def split_names(
    patients: Sequence[str], request: Request, test: NDArray[np.bool_] | None = None, whole: bool = False
) -> splits.Names:
    """Return (N,) split names: by the request, or all test if ``whole``.

    ``test``: (N,) True for the published test images, if any; otherwise the official partition is random by patient.
    Raises ``DataError`` for an empty split, such as train or val of a ``whole`` data set.
    """
    if whole:
        if request.split != "test":
            raise DataError(f"whole=True leaves no images for {request.split}: leave this option out to train")
        return np.full(len(patients), "test")
    if request.partition != "official":
        return splits.assign(patients, request)
    if test is None:
        names = splits.by_patient(patients, request.seed)
    else:
        names = splits.hold_out_val(patients, ~test, request.seed)
    splits.check_patients(patients, names)
    if len(names) and not (names == request.split).any():
        raise DataError(f"none of the {len(patients)} available images is in {request.split}: check for missing files")
    return names


def with_file(root: Path, listed: Iterable[str], files: Container[str], layout: str, split: str = "") -> list[str]:
    """Return the ``listed`` images (of one ``split`` or of all) that have a file, and log the others.

    Raises ``DataError`` if no image has a file.
    """
    names, which = list(listed), f"{split} images" if split else "images"
    present = [name for name in names if name in files]
    if split and not names:
        raise DataError(f"the tables of {root} list no {which}: use --partition patient or kfold")
    if not present:
        raise DataError(f"{root} has none of the {len(names)} {which} in its tables: {layout}")
    if len(present) < len(names):
        missing = [name for name in names if name not in files]
        text = "%s: %d of %d %s have no file and are skipped: %s"
        log.warning(text, root, len(missing), len(names), which, examples(missing))
    return present


def by_stem(root: Path, *patterns: str) -> dict[str, Path]:
    """Return file name without extension -> path of the DICOM files in subfolders of ``root`` that match a pattern."""
    return {path.stem: path for path in map(Path, images.find(root, *patterns).values()) if images.is_dicom(path)}


def log_unreadable(root: Path, bad: Sequence[str], good: int) -> int:
    """Return the number of ``bad`` files and log three of them. Raises ``DataError`` if there are no ``good`` ones."""
    if bad and not good:
        raise DataError(f"{root}: none of {len(bad)} files can be read: {examples(bad)}")
    if bad:
        log.warning("%s: %d files cannot be read and are skipped: %s", root, len(bad), examples(bad))
    return len(bad)


def boxes_by_image(
    path: Path, images: Sequence[str], findings: Sequence[str], boxes: ArrayLike, frames: Mapping[str, tuple[int, int]]
) -> tuple[BoxesByImage, int]:
    """Return the boxes of the images in ``frames``, in file order, and the number of boxes clipped at the image's edge.

    Raises ``DataError`` for boxes that are empty, outside their image, or narrower than a pixel.
    """
    edges = as_boxes(boxes)
    small = np.flatnonzero(((sides := edges[:, 2:] - edges[:, :2]) < 1).any(axis=1) & (sides > 0).all(axis=1)).tolist()
    if small:
        named = examples(f"{images[i]} {findings[i]} {edges[i].round(3).tolist()}" for i in small)
        raise DataError(f"{path} has {len(small)} boxes narrower than a pixel: {named}; {SHARES}")
    rows = [i for i, image in enumerate(images) if image in frames]
    limits = np.array([frames[images[i]][::-1] * 2 for i in rows], np.float64).reshape(-1, 4)
    inside = np.clip(edges[rows], 0, limits)
    outside = np.flatnonzero(~(area(inside) > 0)).tolist()  # includes nan
    if outside:
        listing = examples(f"{images[rows[i]]} {findings[rows[i]]} {edges[rows[i]].round(1).tolist()}" for i in outside)
        raise DataError(
            f"{path} has {len(outside)} boxes that are empty or outside their image: {listing}; correct them"
        )
    cut = int((inside != edges[rows]).any(axis=1).sum())
    if cut:
        log.warning("%s: clipped %d boxes at the edge of their image", path, cut)
    by_image: dict[str, dict[str, list[FloatArray]]] = {}
    for i, box in zip(rows, inside, strict=True):
        by_image.setdefault(images[i], {}).setdefault(findings[i], []).append(box)
    return {
        image: {finding: np.stack(arrays) for finding, arrays in image_boxes.items()}
        for image, image_boxes in by_image.items()
    }, cut
