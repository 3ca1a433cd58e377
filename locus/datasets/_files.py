"""Base class of data sets that are read from files, and functions that build their rows.

``FileDataset``  a data set with ``rows``, one sample per image; ``TableRows`` makes them from a table
``in_split``, ``with_file``  select the images of a split, and those that have a file
``boxes_by_image``  check the boxes of a table and clip them to their images
``described``    the description for records

Files are read by ``locus.datasets.io``, random splits are in ``locus.datasets.splits``.
"""

import functools
import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.errors import DataError, EmptySplitError, NoImagesError, examples
from locus.core.files import file_hash
from locus.core.frames import box_flaws
from locus.core.types import FloatArray, Sample
from locus.datasets import splits
from locus.datasets.base import Columns, Dataset, Request, Split
from locus.datasets.io import images, pd
from locus.datasets.io.tables import raise_if_any

if TYPE_CHECKING:
    from pandas import DataFrame

ABOUT = ("age", "sex", "view", "study")
"""Columns of a table that are copied to a sample's ``meta``."""
log = logging.getLogger(__name__)
BoxesByImage = dict[str, dict[str, FloatArray]]
"""Image -> finding -> (M,4) boxes in the image's frame."""


def file_sample(
    image: str, patient: str, path: Path | str, frame: tuple[int, int], labels: NDArray[np.float32],
    boxes: Mapping[str, FloatArray], meta: Mapping[str, Any] | None = None, **masks: Any,
) -> Sample:  # fmt: skip
    """Return the sample of an image file, which is decoded on demand.

    Args:
        image: name of the image.
        patient: name of the patient.
        path: the image file.
        frame: (H, W) of the image as published.
        labels: (K,) 0, 1 or nan.
        boxes: finding -> (M,4) truth boxes xyxy in ``frame``.
        meta: attributes of the image, such as view and age.
        masks: ``read_masks``, if there are truth masks.
    """
    read = functools.partial(images.decode, path)
    return Sample(image, patient, frame, labels, boxes, read, str(path), meta or {}, **masks)


def without_pixels(samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples of a data set that was loaded without images; reading one raises ``DataError``."""
    return [replace(sample, read=no_pixels, source="") for sample in samples]


def training_rows(
    dataset_class: Callable[..., Dataset],
    request: Request,
    names: Sequence[Split] = ("train",),
    **options: Any,
) -> list[Sample]:
    """Return the samples of the splits ``names`` of a data set, for ``Dataset.training_part``."""
    return [
        sample
        for name in names
        for sample in dataset_class(replace(request, split=name), **options)
    ]


def no_pixels() -> NoReturn:
    """Raise ``DataError``: it reads the images of a data set that was loaded without them."""
    raise DataError(
        "the data set was loaded without images (images=False), so it has no pixels: leave that option out"
    )


class TableRows(Sequence[Sample]):
    """One sample per image of a ``table`` with the column patient and any of those in ``ABOUT``.

    ``labels``: (N, K). ``files``: image -> path. ``truth``: function of the image that returns its ``frame`` (None: the
    size of the file, read on first access), ``boxes`` and, optionally, ``read_masks``.
    """

    def __init__(
        self, table: "DataFrame", labels: NDArray[np.float32], files: Mapping[str, Path | str],
        truth: Callable[[str], dict[str, Any]],
    ) -> None:  # fmt: skip
        self._truth = truth
        self._labels = np.array(labels, np.float32, order="C")
        self._images = table.index.tolist()
        self._patients = table["patient"].tolist()
        self._paths = [str(files[image]) for image in self._images]
        self._about = {name: table[name].tolist() for name in ABOUT if name in table}
        self._frames: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        image = self._images[index]
        path = self._paths[index]
        meta = {name: column[index] for name, column in self._about.items()}
        truth = self._truth(image)
        truth["frame"] = truth["frame"] or self._frame_of_file(path)
        return file_sample(
            image, self._patients[index], path, labels=self._labels[index], meta=meta, **truth
        )

    def _frame_of_file(self, path: str) -> tuple[int, int]:
        """Return the size of a file, which is opened once: opening 190,000 files takes seconds."""
        if path not in self._frames:
            self._frames[path] = images.frame_or_dot(path)
        return self._frames[path]

    def columns(self) -> Columns:
        """Return the columns without copying them. Files are opened only for images with boxes."""
        boxed = np.fromiter(
            (bool(self._truth(image)["boxes"]) for image in self._images), bool, len(self)
        )
        samples = [self[index] for index in np.flatnonzero(boxed)]
        studies = [str(study or "") for study in self._about.get("study", ())]
        return Columns(
            images=self._images,
            patients=self._patients,
            sources=self._paths,
            labels=self._labels,
            boxed=boxed,
            studies=studies if all(studies) else (),
            truth={sample.image_id: (sample.frame, sample.boxes) for sample in samples},
        )


class FileDataset(Dataset):
    """Data set whose constructor sets ``rows``, one sample per image."""

    name: ClassVar[str]
    rows: Sequence[Sample]

    def __len__(self) -> int:
        return len(self.rows)

    @functools.cached_property
    def columns(self) -> Columns:
        """Names, labels and truth of all images."""
        return self.rows.columns() if isinstance(self.rows, TableRows) else super().columns

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index``; its file is decoded on demand."""
        return self.rows[index]


def in_split(
    patients: Sequence[str],
    request: Request,
    official: Callable[[], splits.SplitNames] | None = None,
    whole: bool = False,
) -> NDArray[np.bool_]:
    """Return which images are in the requested split.

    Args:
        patients: patient of each of the N images.
        request: the split and the partition.
        official: returns the (N,) published split names; None: the official partition is random by patient.
        whole: all images are test images.

    Returns:
        (N,) True for the images in the split.

    Raises:
        NoImagesError: the split is empty, such as train or val of a ``whole`` data set.
    """
    if whole and request.split != "test":
        reason = f"whole=True makes every image a test image, so {request.split} is empty"
        raise NoImagesError(f"{reason}: leave whole out to train")
    if whole:
        return np.ones(len(patients), bool)
    names = (
        official()
        if official and request.partition == "official"
        else splits.assign(patients, request)
    )
    splits.check_patients(patients, names)
    if len(names) and not (names == request.split).any():
        empty = f"none of the {len(patients)} available images is in {request.split}"
        raise NoImagesError(f"{empty}: check for missing files")
    return np.asarray(names == request.split)


def with_file(
    root: Path, listed: Iterable[str], files: Container[str], layout: str, split: str = ""
) -> list[str]:
    """Return the listed images that have a file, and log the others.

    Args:
        root: folder of the data set, for messages.
        listed: names of the images in the tables.
        files: names of the images with a file.
        layout: the expected files, for errors.
        split: split of the listed images; empty for all splits.

    Raises:
        EmptySplitError: no image is listed in the split.
        NoImagesError: no listed image has a file.
    """
    names = list(listed)
    which = f"{split} images" if split else "images"
    present = [name for name in names if name in files]
    if split and not names:
        raise EmptySplitError(
            f"the tables of {root} list no {which}: use --partition patient or kfold"
        )
    if not present:
        raise NoImagesError(
            f"{root} has no file for any of the {which} in the tables ({len(names)}): {layout}"
        )
    if len(present) < len(names):
        missing = [name for name in names if name not in files]
        text = "%s: %d of %d %s have no file and are skipped: %s"
        log.warning(text, root, len(missing), len(names), which, examples(missing))
    return present


def described(
    partition: str,
    rows: Sized,
    without_file: int,
    clipped: int,
    tables: Iterable[Path],
    **more: Any,
) -> dict[str, Any]:
    """Return a description of a split for records.

    Args:
        partition: name of the partition.
        rows: the images of the split.
        without_file: number of listed images without a file.
        clipped: number of boxes that were clipped at the edge of their image.
        tables: files of labels and boxes, which are hashed.
        more: further entries.
    """
    counts = {"images": len(rows), "images_without_file": without_file, "boxes_clipped": clipped}
    return {
        "partition": partition,
        **counts,
        **more,
        "tables": {path.name: file_hash(path) for path in tables},
    }


def by_stem(root: Path, *patterns: str) -> dict[str, Path]:
    """Return file name without extension -> path of the DICOM files in subfolders of ``root`` that match a pattern."""
    return {
        path.stem: path
        for path in map(Path, images.find(root, *patterns).values())
        if images.is_dicom(path)
    }


def log_unreadable(root: Path, bad: Sequence[str], good: int) -> int:
    """Return the number of ``bad`` files and log three of them. Raises ``DataError`` if there are no ``good`` ones."""
    if bad and not good:
        raise DataError(f"{root}: none of {len(bad)} files can be read: {examples(bad)}")
    if bad:
        log.warning(
            "%s: %d files cannot be read and are skipped: %s", root, len(bad), examples(bad)
        )
    return len(bad)


def refuse_turned(
    source: Path, frames: Mapping[str, tuple[int, int]], files: Mapping[str, Path | str]
) -> None:
    """Raise ``DataError`` if sizes (H, W) that ``source`` states fit their files only with the sides exchanged.

    A file may be a smaller or a square copy.
    """
    turned = []
    for image, (height, width) in frames.items():
        rows, columns = images.frame_or_dot(files[image])
        if (
            abs(height / width - 1) > ASPECT_TOLERANCE
            and abs(height * rows / (width * columns) - 1) < ASPECT_TOLERANCE
        ):
            turned.append(f"{image} is {columns}x{rows}, not {width}x{height}")
    raise_if_any(source, turned, "images whose width and height are exchanged", "; correct them")


ASPECT_TOLERANCE = 0.02
"""Difference of two aspect ratios that may be due to rounding."""


def boxes_by_image(
    path: Path, marks: Iterable[tuple[str, str, ArrayLike]], frames: Mapping[str, tuple[int, int]]
) -> tuple[BoxesByImage, int]:
    """Return the boxes of the images in ``frames``, in file order, and the number of boxes clipped at the image's edge.

    ``marks``: image, finding and (4,) edges xyxy of each box. Raises ``DataError`` for boxes that are not four finite
    numbers, inverted, empty, narrower than a pixel, repeated, or outside their image.
    """
    listed = list(marks)
    try:
        edges = np.array([box for _, _, box in listed], np.float64).reshape(len(listed), 4)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} has a box that is not four numbers: {error}") from error
    chosen = np.array([image in frames for image, *_ in listed], bool)
    limits = np.array(
        [frames.get(image, (2**31, 2**31))[::-1] * 2 for image, *_ in listed]
    ).reshape(-1, 4)
    keys = pd.DataFrame(
        [(*names, *box) for (*names, _), box in zip(listed, edges.tolist(), strict=True)]
    )
    inside = np.clip(edges, 0, limits)
    flaws = {**box_flaws(edges, limits), "repeated; keep one of each": keys.duplicated().to_numpy()}
    for what, wrong in flaws.items():
        marked = (
            f"{listed[i][0]} {listed[i][1]} {edges[i].round(3).tolist()}"
            for i in np.flatnonzero(wrong)
        )
        what, _, advice = what.partition("; ")
        raise_if_any(path, marked, f"boxes that are {what}", f"; {advice}")
    cut = int((inside != edges)[chosen].any(axis=1).sum())
    if cut:
        log.warning("%s: clipped %d boxes at the edge of their image", path, cut)
    by_image: dict[str, dict[str, list[FloatArray]]] = {}
    for i in np.flatnonzero(chosen):
        image, finding, _ = listed[i]
        by_image.setdefault(image, {}).setdefault(finding, []).append(inside[i])
    return {
        image: {finding: np.stack(boxes) for finding, boxes in image_boxes.items()}
        for image, image_boxes in by_image.items()
    }, cut
