"""Base class of data sets: a sequence of samples with a name, findings and a description for records."""

import functools
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValueError, DataError
from core.types import Sample
from datasets.columns import Columns, from_samples
from datasets.io.paths import refuse_links

if TYPE_CHECKING:
    from datasets.io.download import Kaggle

SPLITS = ("train", "val", "test")
ELSEWHERE = (
    "set another folder with --data_root_dir (in benchmark.check: --root) or the environment variable LOCUS_DATA"
)
"""How a user sets the folder of a data set."""
PARTITIONS = ("official", "patient", "kfold")


@dataclass(frozen=True)
class Request:
    """Arguments common to all data sets; see :func:`datasets.load`. Raises ``BadValueError`` for invalid values."""

    root: Path | None = None
    """Folder of the data set's files."""
    split: str = "test"
    """The part of the images to load: one of ``SPLITS``."""
    partition: str = "official"
    """The rule that assigns patients to splits: published lists (official), at random (patient) or by fold (kfold)."""
    folds: int = 5
    fold: int = 0
    """The fold that is the test split of ``kfold``."""
    findings: int | None = None
    """The number of findings, not their names; None: the default of the data set."""
    seed: int = 0
    """Seed of the splits and of generated images."""
    img_size: int | None = None
    """Side of generated images in pixels; other data sets ignore it."""
    cache: Path | None = None
    """Folder for the headers of DICOM files."""
    leave_out_fold: int | None = None
    """Fold of ``kfold`` that is excluded from all splits."""

    def __post_init__(self) -> None:
        for field, value, allowed in (("split", self.split, SPLITS), ("partition", self.partition, PARTITIONS)):
            if value not in allowed:
                raise BadValueError(f"{field} is {value!r}: give one of {', '.join(allowed)}")
        if self.folds < 2:
            raise BadValueError(f"folds is {self.folds}: give at least 2")
        if not 0 <= self.fold < self.folds:
            raise BadValueError(f"fold {self.fold} does not exist: use a number from 0 to {self.folds - 1}")
        left_out = self.leave_out_fold
        if left_out is not None and (self.partition != "kfold" or left_out not in {*range(self.folds)} - {self.fold}):
            number = f"a number from 0 to {self.folds - 1} other than the test fold, {self.fold}"
            raise BadValueError(f"leave_out_fold is {left_out}: it requires --partition kfold and {number}")

    def task(self, tasks: Mapping[int, tuple[str, ...]], name: str, default: int) -> tuple[str, ...]:
        """Return the findings of the requested task: one of the lists in ``tasks``, by its length.

        ``name``: the data set. ``default``: length of the list if none is requested. Raises ``BadValueError`` with the
        valid numbers of findings.
        """
        number = default if self.findings is None else self.findings
        if number not in tasks:
            allowed = ("one of " if len(tasks) > 1 else "") + ", ".join(map(str, tasks))
            raise BadValueError(f"{name} does not support {number} findings: set --num_classes to {allowed}")
        return tasks[number]

    def folder(self, layout: str) -> Path:
        """Return the root. Raises ``DataError`` if it is missing or empty, or if a link leads out of it."""
        if self.root is None or not self.root.is_dir():
            raise DataError(f"the folder {self.root} is missing: {layout}; {ELSEWHERE}")
        content = list(self.root.iterdir())
        if not content:
            raise DataError(f"the folder {self.root} is empty: {layout}")
        refuse_links((path for path in content if path.is_symlink()), self.root)
        return self.root


class Dataset(Sequence[Sample]):
    """One split of a data set, as a sequence of samples. ``__init__(request, **options)`` sets the attributes below."""

    name: ClassVar[str]
    """Name on the command line."""
    origin: ClassVar["Kaggle | str"] = "there is nothing to download"
    """Source of ``--download``, or a description of how to get the files by hand."""
    layout: ClassVar[str] = ""
    """Required files and their source, for error messages; empty if the data set needs no files."""
    synthetic: ClassVar[bool] = False
    """True if the findings are drawn by code: a network trained on them cannot read real radiographs."""
    findings: tuple[str, ...]
    """The K findings, in the order of the labels."""
    split: str
    """train, val or test."""
    describe: dict[str, Any]
    """JSON-serializable description of these images for records (lists, counts, options); not a method."""

    @abstractmethod
    def sample(self, index: int) -> Sample:
        """Return the sample at ``index`` in [0, len); no image is decoded here.

        ``data[index]`` also accepts negative indices.
        """

    @functools.cached_property
    def columns(self) -> Columns:
        """Names, labels and truth of all samples, without reading an image."""
        return from_samples(self, len(self.findings))

    @property
    def labels(self) -> NDArray[np.float32]:
        """(N, K) labels of all samples, without reading an image: 0, 1 or nan (unknown).

        Columns are in the order of ``findings``.
        """
        return self.columns.labels

    @property
    def patients(self) -> list[str]:
        """Patient of each sample. Splits and confidence intervals keep the images of a patient together."""
        return [*self.columns.patients]

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self.sample(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range: {self.name} has {len(self)} samples")
        return self.sample(index % len(self))


class DatasetWrapper(Dataset):
    """Modified samples of another data set, with the same ``name``, ``split`` and other attributes."""

    def __init__(self, data: Dataset) -> None:
        object.__setattr__(self, "name", data.name)  # a ClassVar, so type checkers forbid self.name = …
        self.data, self.findings, self.split, self.describe = data, data.findings, data.split, data.describe

    def __len__(self) -> int:
        return len(self.data)

    def readings(self, index: int) -> Mapping[str, Any]:
        """Return the boxes of each reader (radiologist), for data sets with several readers."""
        read: Mapping[str, Any] = getattr(self.data, "readings")(index)  # noqa: B009 - few data sets have it
        return read
