"""Names, labels and truth of all images of a data set, stored as columns in a few dozen bytes per image."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.types import FloatArray, Sample
from datasets.io.texts import Texts


@dataclass(frozen=True, eq=False)
class Columns(Sequence[tuple[str, str, bool]]):
    """Columns of a data set. As a sequence, its items are (image, patient, True if it has a truth box)."""

    images: Sequence[str]
    patients: Sequence[str]
    sources: Sequence[str]
    """As in ``core.types.Sample``."""
    labels: NDArray[np.float32]
    """(N, K) 0, 1 or nan (unknown)."""
    boxed: NDArray[np.bool_]
    """(N,) True for an image with a truth box."""
    studies: Sequence[str]
    """The study of each image; empty if any image has none."""
    truth: Mapping[str, tuple[tuple[int, int], Mapping[str, FloatArray]]]
    """Image with a truth box -> its frame, and its boxes by finding."""

    def __len__(self) -> int:
        return len(self.boxed)

    def __getitem__(self, index: Any) -> Any:
        return self.images[index], self.patients[index], bool(self.boxed[index])


def from_samples(samples: Iterable[Sample], findings: int) -> Columns:
    """Return the columns of ``samples`` with K = ``findings`` labels."""
    images, patients, sources, studies = Texts(), Texts(), Texts(), Texts()
    labels, boxed = array("f"), bytearray()
    truth: dict[str, tuple[tuple[int, int], Mapping[str, FloatArray]]] = {}
    for sample in samples:
        images.append(sample.image_id)
        patients.append(sample.patient_id)
        sources.append(sample.source)
        studies.append(str(sample.meta.get("study") or ""))
        labels.frombytes(sample.labels.tobytes())
        boxed.append(bool(sample.boxes))
        if sample.boxes:
            truth[sample.image_id] = sample.frame, sample.boxes
    table = np.frombuffer(labels, np.float32).reshape(len(images), findings)
    flags = np.frombuffer(boxed, bool)
    return Columns(images, patients, sources, table, flags, studies if all(studies) else (), truth)
