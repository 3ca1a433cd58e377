"""Samples of image files, and of a table of them that is stored compactly as columns."""

import functools
import os
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.types import FloatArray, Sample
from datasets.columns import Columns
from datasets.io import images
from datasets.io.texts import Texts

if TYPE_CHECKING:
    from pandas import DataFrame, Series

ABOUT = ("age", "sex", "view", "study")
"""Columns of a table that are copied to a sample's ``meta``."""


def file_sample(
    image: str, patient: str, path: Path | str, frame: tuple[int, int], labels: NDArray[np.float32],
    boxes: Mapping[str, FloatArray], meta: Mapping[str, Any] = MappingProxyType({}), **masks: Any,
) -> Sample:  # fmt: skip
    """Return the sample of an image file, which is decoded on demand; ``masks``: ``read_masks``."""
    read = functools.partial(images.decode, path)
    return Sample(image, patient, frame, labels, boxes, read, str(path), meta, **masks)


class TableRows(Sequence[Sample]):
    """One sample per image of a ``table`` with the column patient and any of those in ``ABOUT``.

    ``labels``: (N, K). ``files``: image -> path. ``truth``: function of the image that returns its ``frame`` (None: the
    size of the file, read on first access), ``boxes`` and, optionally, ``read_masks``. The table and ``files`` are not
    kept in memory.
    """

    def __init__(
        self, table: "DataFrame", labels: NDArray[np.float32], files: Mapping[str, Path | str],
        truth: Callable[[str], dict[str, Any]],
    ) -> None:  # fmt: skip
        self._truth, self._labels = truth, np.array(labels, np.float32, order="C")
        self._images, self._patients = Texts(table.index), Texts(table["patient"])
        self._paths = _Paths((files[image] for image in table.index), self._images)
        self._about = {name: _Column(table[name]) for name in ABOUT if name in table}
        self._frame_of_file = functools.cache(images.frame_or_dot)  # opening 190,000 files takes seconds

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        image, path = self._images[index], self._paths[index]
        meta = {name: column[index] for name, column in self._about.items()}
        truth = self._truth(image)
        truth["frame"] = truth["frame"] or self._frame_of_file(path)
        return file_sample(image, self._patients[index], path, labels=self._labels[index], meta=meta, **truth)

    def columns(self) -> Columns:
        """Return the columns without copying them. Files are opened only for images with boxes."""
        boxed = np.fromiter((bool(self._truth(image)["boxes"]) for image in self._images), bool, len(self))
        rows = [self[i] for i in np.flatnonzero(boxed)]
        studies = [str(study or "") for study in self._about.get("study", ())]
        return Columns(
            self._images, self._patients, self._paths, self._labels, boxed,
            Texts(studies) if all(studies) else (), {row.image_id: (row.frame, row.boxes) for row in rows},
        )  # fmt: skip


class _Paths(Sequence[str]):
    """Paths of files. Each folder is stored once, and file names only if they differ from ``images``."""

    def __init__(self, paths: Iterable[Path | str], images: Texts) -> None:
        self._folders, self._names, self._folder = Texts(), Texts(), array("I")
        numbers: dict[str, int] = {}
        for path in paths:
            folder, name = os.path.split(path)  # faster than a Path object for each of many files
            if folder not in numbers:
                numbers[folder] = len(numbers)
                self._folders.append(folder)
            self._folder.append(numbers[folder])
            self._names.append(name)
        if self._names.same(images):
            self._names = images

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: Any) -> Any:
        return os.path.join(self._folders[self._folder[index]], self._names[index])  # noqa: PTH118 - as above


class _Column(Sequence[Any]):
    """Values of a column with few distinct values, as their numbers."""

    def __init__(self, values: "Series") -> None:
        codes, words = values.factorize(use_na_sentinel=False)
        self._codes, self._words = codes.astype(np.min_scalar_type(len(words))), words.tolist()

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, index: Any) -> Any:
        return self._words[self._codes[index]]
