"""Compact storage of the images of a table: columns, converted to a row on access."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.types import FloatArray
from datasets.io.texts import Texts

if TYPE_CHECKING:
    from pandas import DataFrame, Series

ABOUT = ("age", "sex", "view", "study")
"""Columns of a table that are copied to a sample's ``meta``."""


@dataclass(frozen=True, eq=False)
class ImageRow:
    """One image of a data set without its pixels; the fields are those of ``core.types.Sample``."""

    image: str
    patient: str
    path: Path
    frame: tuple[int, int] | None
    """None: the size of the file, read from its header on first access."""
    labels: NDArray[np.float32]
    boxes: Mapping[str, FloatArray]
    meta: Mapping[str, Any] = field(default_factory=dict)
    read_masks: Callable[[], Mapping[str, NDArray[np.bool_]]] | None = None
    read_lungs: Callable[[], NDArray[np.bool_]] | None = None
    """As in ``datasets.lungs.LungSample``."""


class TableRows(Sequence[ImageRow]):
    """One row per image of a ``table`` with the column patient and those of ``ABOUT`` that it has.

    ``truth`` returns the other attributes of an image: ``frame``, ``boxes``, optionally ``read_masks``. ``files`` maps
    images to paths. References to the table and this mapping are not kept.
    """

    def __init__(
        self, table: "DataFrame", labels: NDArray[np.float32], files: Mapping[str, Path],
        truth: Callable[[str], dict[str, Any]],
    ) -> None:  # fmt: skip
        self.labels, self._truth = labels, truth
        self._images, self.patients = Texts(table.index), Texts(table["patient"])
        paths = [files[image] for image in table.index]
        folders = {path.parent: None for path in paths}
        self._folders, numbers = [*folders], {folder: i for i, folder in enumerate(folders)}
        self._folder = np.fromiter((numbers[path.parent] for path in paths), np.int32, len(paths))
        self._files = Texts(path.name for path in paths)
        self._about = {name: _Column(table[name]) for name in ABOUT if name in table}

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        image = self._images[index]
        path = self._folders[self._folder[index]] / self._files[index]
        meta = {name: column[index] for name, column in self._about.items()}
        return ImageRow(image, self.patients[index], path, labels=self.labels[index], meta=meta, **self._truth(image))


class _Column:
    """Values of a column: numbers as they are, strings as indices of the distinct values."""

    def __init__(self, values: "Series") -> None:
        self._words: list[Any] | None = None
        if values.dtype.kind in "iufb":
            self._values = values.to_numpy()
            return
        codes, words = values.factorize(use_na_sentinel=False)
        self._values, self._words = codes.astype(np.min_scalar_type(max(len(words), 1))), words.tolist()

    def __getitem__(self, index: int) -> Any:
        value = self._values[index]
        return value.item() if self._words is None else self._words[value]
