"""Images that a network saw in training: their names travel with its weights, and they are left out of its test.

``TrainingImages``  hashes of the names of training images and their patients, as in ``best.ckpt`` and published weights
``unseen_part``     a data set without these images and without other images of these patients

Images are compared by name. An image of NIH has NIH's name and patient in every data set that states them
(``meta["nih"]``); other names are compared only between splits of the same data set. Pixels are not compared: a copy
under another name is not recognised.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from locus import datasets
from locus.core.errors import BadValueError, LeakError
from locus.datasets.base import Columns, Dataset, RelabeledDataset
from locus.datasets.nih import NIH_NAME, patient_of

HASH_BYTES = 6
"""Length of a hash: among 100,000 training and 25,000 test images, one pair in 100,000 trials collides."""
UNKNOWN = "the training images are unknown, so none is left out"
COUNT = "images_seen_in_training"
"""Number of images left out, in the description of a data set."""


@dataclass(frozen=True)
class TrainingImages:
    """Training images and their patients, as hashes of their names."""

    images: frozenset[bytes] = field(default=frozenset(), repr=False)
    patients: frozenset[bytes] = field(default=frozenset(), repr=False)
    """Patients of training and validation images."""
    datasets: frozenset[str] = frozenset()
    """Data sets of the images; empty: unknown, so that names are compared with those of any data set."""

    def __or__(self, other: "TrainingImages") -> "TrainingImages":
        """Return the images and patients of both, for a network that was trained twice."""
        images = self.images | other.images
        patients = self.patients | other.patients
        return TrainingImages(images, patients, self.datasets | other.datasets)

    def packed(self) -> dict[str, Any]:
        """Return JSON values: the data sets, and the sorted hashes as text.

        >>> TrainingImages.unpacked(TrainingImages.listed(["a.png"]).packed()) == TrainingImages.listed(["a.png"])
        True
        """
        texts = {
            name: base64.b85encode(b"".join(sorted(getattr(self, name)))).decode()
            for name in HASHED
        }
        return {"datasets": sorted(self.datasets), **texts}

    @classmethod
    def unpacked(cls, values: dict[str, Any]) -> "TrainingImages":
        """Return the images of ``packed`` values. Raises ``ValueError`` or ``LookupError`` for damaged values."""
        images, patients = (_split(base64.b85decode(values[name])) for name in HASHED)
        return cls(images, patients, frozenset(values["datasets"]))

    @classmethod
    def listed(cls, names: Iterable[str]) -> "TrainingImages":
        """Return the images with these names, of any data set; the patients of NIH's images are in their names."""
        names = list(names)
        patients = (_nih_patient(name) for name in names if NIH_NAME.fullmatch(name))
        return cls(frozenset(map(_hash, names)), frozenset(map(_hash, patients)))

    @classmethod
    def used(
        cls, name: str, train: Columns, rows: Iterable[int], validation: Columns
    ) -> "TrainingImages":
        """Return the images that a training run uses, and the patients of its validation split, too.

        Args:
            name: name of the data set.
            train: the columns of its training split.
            rows: the images of ``train`` that are used.
            validation: the columns of its validation split.
        """
        pairs = _names(train)
        chosen = [pairs[row] for row in rows]
        patients = [patient for _, patient in _names(validation)]
        images, of_images = (map(_hash, names) for names in zip(*chosen, strict=True))
        return cls(
            frozenset(images), frozenset((*of_images, *map(_hash, patients))), frozenset({name})
        )


HASHED = ("images", "patients")


def _hash(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=HASH_BYTES).digest()


def _split(hashes: bytes) -> frozenset[bytes]:
    return frozenset(
        hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)
    )


def _nih_patient(image: str) -> str:
    return f"NIH/{patient_of(image)}"


def _names(columns: Columns) -> list[tuple[str, str]]:
    """Return image and patient of each row: those of NIH for its images."""
    images = columns.nih_or_own_names or columns.images
    return [
        (image, _nih_patient(image) if NIH_NAME.fullmatch(image) else patient)
        for image, patient in zip(images, columns.patients, strict=True)
    ]


def unseen_part(data: Dataset, seen: TrainingImages | None, findings: Sequence[str]) -> Dataset:
    """Return the images of ``data`` that are not of a patient in ``seen``, with the labels of ``findings``.

    Returns ``data`` itself if nothing changes. Its description has the number of images left out, unless ``seen`` is
    None (unknown). Raises ``LeakError`` if no image is left.
    """
    positions = [*range(len(data))] if seen is None else _unseen(data, seen)
    if not positions:
        raise LeakError(
            f"all {len(data)} images of {data.name} are of patients in the training data: use other images"
        )
    if tuple(findings) == data.findings and len(positions) == len(data):
        return data
    unseen_data = RelabeledDataset(data, findings, positions)
    unseen_data.describe |= {} if seen is None else {COUNT: len(data) - len(positions)}
    return unseen_data


def _unseen(data: Dataset, seen: TrainingImages) -> list[int]:
    """Return the positions of images whose patients have no training image, in ``data`` or by their own name."""
    pairs = _names(data.columns)
    comparable = (
        not seen.datasets or data.name in seen.datasets or data.name not in datasets.names()
    )
    by_name = [comparable or bool(NIH_NAME.fullmatch(image)) for image, _ in pairs]
    patients = {
        patient
        for (image, patient), compared in zip(pairs, by_name, strict=True)
        if compared and (_hash(image) in seen.images or _hash(patient) in seen.patients)
    }
    return [n for n, (_, patient) in enumerate(pairs) if patient not in patients]


def left_out_message(name: str, folds: Sequence[Dataset]) -> str:
    """Return the warning about images left out of the ``folds`` of a data set; empty if there are none.

    ``name``: name of the data set. The parts are those of ``unseen_part``.
    """
    left_out = sum(fold.describe.get(COUNT, 0) for fold in folds)
    message = f"{name}: left out {left_out} of {left_out + sum(map(len, folds))} images"
    return f"{message}, of patients in the training data" if left_out else ""


def check_form(listed: Iterable[str], data: Dataset, title: str) -> None:
    """Raise ``BadValueError`` if no name in ``listed``, a list called ``title``, has the form of those of ``data``.

    Names have another form if their suffix differs, or if only one of them is a name of NIH.
    """
    names = sorted(listed)
    images = [image for image, _ in _names(data.columns)]
    if not {*map(_form, names)} & {*map(_form, images)}:
        raise BadValueError(
            f"--trained_on: {title} have names such as {names[0]}, but images of {data.name} have names such as "
            f"{images[0]}: write them in that form"
        )


def _form(name: str) -> tuple[str, bool]:
    return Path(name).suffix.lower(), bool(NIH_NAME.fullmatch(name))
