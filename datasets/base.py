"""What a data set is: a sequence of samples with a name, its findings and what a record states about it."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, overload

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValueError
from core.types import Sample

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Dataset(Sequence[Sample]):
    """A data set's part: subclasses set ``name`` and fill the attributes below; samples come by position."""

    name: ClassVar[str]
    """The word on the command line."""
    findings: tuple[str, ...]
    """The K findings, in the order of the labels."""
    split: str
    """train, val or test."""
    describe: dict[str, Any]
    """JSON-able: what a record states about these images (lists used, counts, options)."""

    @abstractmethod
    def sample(self, index: int) -> Sample:
        """The sample at ``index`` in [0, len); no image is decoded here."""

    @property
    def labels(self) -> NDArray[np.float32]:
        """(N, K) labels of all samples, without touching an image: 0, 1 or nan (unknown)."""
        rows = [sample.labels for sample in self]
        return np.stack(rows) if rows else np.zeros((0, len(self.findings)), np.float32)

    @property
    def patients(self) -> list[str]:
        """Patient of each sample."""
        return [sample.patient_id for sample in self]

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self.sample(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} samples, there is no number {index}")
        return self.sample(index % len(self))


def check_split(split: str) -> None:
    """Raise ``BadValueError`` unless ``split`` is train, val or test."""
    if split not in SPLITS:
        raise BadValueError(f"split is {split!r}: give one of {', '.join(SPLITS)}")
