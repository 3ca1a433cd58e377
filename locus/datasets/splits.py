"""Splits by patient, reproducible from a seed, with checks for leaks.

``assign`` draws a random partition, ``hold_out_val`` cuts validation patients from a published training list, and
``check_patients`` and ``check_unboxed`` raise ``LeakError`` if training and test data overlap. The published lists are
read in the file of each data set.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import BadValueError, DataError, LeakError, examples
from locus.core.names import spelled_twice
from locus.core.types import patient_ranks
from locus.datasets.base import Request
from locus.datasets.io.tables import raise_if_any, read_csv

log = logging.getLogger(__name__)
SplitNames = NDArray[np.str_]
VAL_SHARE, TEST_SHARE = 0.1, 0.2
MISSING_PATIENTS = ("", "nan", "none", "null", "na", "n/a", "unknown", "-", "?")
"""Words in lower case that tables have where a patient's name is missing."""
LEFT_OUT = "out"
"""Split name of images that are excluded from all splits."""
LOVT = Path(__file__).parent / "lists" / "lovt" / "splits.csv.xz"
"""Splits of RSNA and SIIM by Müller et al., LoVT (ECCV 2022), under the MIT licence: set, split, image."""
MIN_VALIDATION_IMAGES = 100
"""Number of validation images below which a warning is logged.

The AUROC of a random classifier has the standard deviation sqrt((p + n + 1) / (12 p n)) on p positive and n negative
images (Mann and Whitney 1947): .058 on 50 and 50.
"""


def cut(patients: Sequence[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Return (N,) bool: True for the images of a random ``share`` of the patients, at least one and never all."""
    rank, count = patient_ranks(patients, seed, "cut")
    held_out = min(max(round(share * count), 1), count - 1)
    return np.asarray(rank < held_out)


def hold_out_val(
    patients: Sequence[str], training: NDArray[np.bool_], seed: int, share: float = VAL_SHARE
) -> SplitNames:
    """Return the split of each image, with a random validation split by patient.

    Args:
        patients: patient of each of the N images.
        training: (N,) True for the images that are not in the test split.
        seed: seed of the draw.
        share: share of the training patients in the validation split.

    Returns:
        (N,) ``train``, ``val`` or ``test``.
    """
    names = np.where(training, "train", "test")
    training_rows = np.flatnonzero(training)
    if training_rows.size:
        names[training_rows[cut([patients[i] for i in training_rows.tolist()], share, seed)]] = (
            "val"
        )
    return names


def by_patient(patients: Sequence[str], seed: int) -> SplitNames:
    """Return (N,) split names of a random partition by patient: 20% test, 10% of the rest validation."""
    return hold_out_val(patients, ~cut(patients, TEST_SHARE, seed), seed)


def kfold(
    patients: Sequence[str], folds: int, fold: int, seed: int, leave_out_fold: int | None = None
) -> SplitNames:
    """Return (N,) split names of one fold; patients are not divided.

    Args:
        patients: (N,) patient of each image.
        folds: number of folds.
        fold: number of the test fold; validation is cut from the others.
        seed: seed of the folds and of the validation split.
        leave_out_fold: fold whose patients get ``LEFT_OUT``; None: no fold.

    Raises:
        BadValueError: fewer patients than folds.
    """
    rank, count = patient_ranks(patients, seed, "folds")
    if count < folds:
        raise BadValueError(
            f"folds is {folds}, but the data set has {count} patients: give at most {count}"
        )
    left_out = rank % folds == (-1 if leave_out_fold is None else leave_out_fold)
    names = hold_out_val(patients, (rank % folds != fold) & ~left_out, seed)
    names[left_out] = LEFT_OUT
    return names


def assign(patients: Sequence[str], request: Request) -> SplitNames:
    """Return (N,) split names for the partition ``patient``, ``kfold`` or ``all``.

    With ``all``, every image is in the requested split; a warning is logged for test images.
    """
    if request.partition == "all":
        if request.split == "test":
            log.warning(
                "--partition all: the test images are the training images, so their scores only show the fit"
            )
        return np.full(len(patients), request.split)
    if request.partition == "kfold":
        return kfold(patients, request.folds, request.fold, request.seed, request.leave_out_fold)
    return by_patient(patients, request.seed)


def of_lovt(dataset: str, images: Sequence[str], path: Path) -> SplitNames:
    """Return (N,) LoVT's split names of the ``images`` in the table at ``path``, ``LEFT_OUT`` for images not listed.

    Raises ``DataError`` for listed images that the table lacks.
    """
    table = read_csv(LOVT, ("dataset", "split", "image"))
    mine = table[table["dataset"] == dataset]
    split_of = dict(zip(mine["image"], mine["split"], strict=True))
    raise_if_any(path, sorted(split_of.keys() - {*images}), "no row for images in LoVT's lists")
    return np.array([split_of.get(image, LEFT_OUT) for image in images])


def few_validation_images_warning(count: int) -> str:
    """Return a warning if ``count`` validation images are too few to select a checkpoint, else an empty string."""
    few = f"best.ckpt is selected on only {count} validation images"
    advice = "chance moves the AUROC by .06 and largely decides the epoch: use --keep last"
    return (
        f"{few}; with fewer than {MIN_VALIDATION_IMAGES}, {advice}"
        if count < MIN_VALIDATION_IMAGES
        else ""
    )


def check_patients(patients: Iterable[str], names: Iterable[str]) -> None:
    """Raise ``LeakError`` if a patient is in more than one split, also if written as another number (001, 1, 1.0).

    Raises ``DataError`` for words that mean a missing name, and for names that lost their digits, such as 8.39860E+35.
    """
    patients = list(patients)
    missing = [patient for patient in patients if patient.lower() in MISSING_PATIENTS]
    if missing:
        raise DataError(
            f"patients are missing ({len(missing)} images): {examples(dict.fromkeys(missing))}: "
            "write a name for each patient, or remove the column"
        )
    rounded = [
        patient
        for patient in dict.fromkeys(patients)
        if re.fullmatch(r"\d(\.\d+)?[eE]\+\d+", patient)
    ]
    if rounded:
        advice = "a spreadsheet dropped their digits, so write them again as text"
        raise DataError(
            f"patients are numbers in scientific notation ({len(rounded)}): {examples(rounded)}: {advice}"
        )
    split_of: dict[str, str] = {}
    pairs = zip(patients, names, strict=True)
    leaks = {
        patient: (split_of[patient], name)
        for patient, name in pairs
        if split_of.setdefault(patient, name) != name
    }
    if leaks:
        listing = examples(f"{patient} ({a} and {b})" for patient, (a, b) in leaks.items())
        advice = f"{listing}; use lists without shared patients, or --partition patient"
        raise LeakError(f"patients are in two splits ({len(leaks)}): {advice}")
    twice = spelled_twice(split_of)
    if twice:
        a, b = (f"{patient!r} ({split_of[patient]})" for patient in twice)
        raise LeakError(f"the patients {a} and {b} are one number: write each patient in one way")


def check_unboxed(
    images: Iterable[str], boxed: Mapping[str, object] | set[str], which: str
) -> None:
    """Raise ``LeakError`` if one of the training ``images`` has a truth box."""
    leaked = [image for image in images if image in boxed]
    if leaked:
        what = "images with a truth box, which the official partition reserves for testing,"
        advice = "use the official lists, or --partition patient"
        raise LeakError(f"{what} are in {which} ({len(leaked)}): {examples(leaked)}; {advice}")
