"""Who is in which split: always by patient, always from a seed, and checked for leaks."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValueError, LeakError, examples
from core.seeds import patient_ranks
from datasets.base import Request

Names = NDArray[np.str_]
VAL_SHARE, TEST_SHARE = 0.1, 0.2
LEFT_OUT = "out"
"""The name of a fold that is in no split, which no request can ask for."""
FEW = 100
"""Fewer validation images are few.

The AUROC of a classifier that knows nothing has the standard deviation sqrt((p + n + 1) / (12 p n)) on p positive and n
negative images (Mann and Whitney 1947): .058 on 50 and 50.
"""


def cut(patients: Sequence[str], share: float, seed: int) -> NDArray[np.bool_]:
    """(N,) True for the images of a random ``share`` of the patients: at least one of two or more, never all."""
    rank, count = patient_ranks(patients, seed, "cut")
    taken = min(max(round(share * count), 1), count - 1)
    return np.asarray(rank < taken)


def hold_out_val(patients: Sequence[str], training: NDArray[np.bool_], seed: int, share: float = VAL_SHARE) -> Names:
    """(N,) split names: ``test`` where ``training`` is False; a ``share`` of the training patients becomes ``val``."""
    names = np.where(training, "train", "test")
    at = np.flatnonzero(training)
    if at.size:
        names[at[cut([patients[i] for i in at.tolist()], share, seed)]] = "val"
    return names


def by_patient(patients: Sequence[str], seed: int) -> Names:
    """(N,) split names of a random partition by patient: 20 % test, 10 % of the rest validation."""
    return hold_out_val(patients, ~cut(patients, TEST_SHARE, seed), seed)


def kfold(patients: Sequence[str], folds: int, fold: int, seed: int, leave_out_fold: int | None = None) -> Names:
    """(N,) split names of one fold: ``test`` is fold number ``fold``, validation is cut from the others.

    The patients of ``leave_out_fold`` are in none of the three: ``LEFT_OUT``.
    """
    rank, count = patient_ranks(patients, seed, "folds")
    if count < folds:
        raise BadValueError(f"folds is {folds}, but there are only {count} patients: give at most {count}")
    left_out = rank % folds == (-1 if leave_out_fold is None else leave_out_fold)
    names = hold_out_val(patients, (rank % folds != fold) & ~left_out, seed)
    names[left_out] = LEFT_OUT
    return names


def assign(patients: Sequence[str], asked: Request) -> Names:
    """(N,) split names for the partitions ``patient`` and ``kfold``."""
    if asked.partition == "kfold":
        return kfold(patients, asked.folds, asked.fold, asked.seed, asked.leave_out_fold)
    return by_patient(patients, asked.seed)


def doubt(count: int) -> str:
    """What there is to say about ``count`` validation images that choose a checkpoint: nothing from ``FEW`` on."""
    why = f"with less than {FEW} chance alone moves an AUROC by .06 and more, and so decides which epoch is the best"
    return f"{count} validation images choose best.ckpt: {why}; have more, or write --keep last" if count < FEW else ""


def check_patients(patients: Iterable[str], names: Iterable[str]) -> None:
    """Raise ``LeakError`` when a patient is in more than one split, with the count and three examples."""
    seen: dict[str, str] = {}
    pairs = zip(patients, names, strict=True)
    both = {patient: (seen[patient], name) for patient, name in pairs if seen.setdefault(patient, name) != name}
    if both:
        listing = examples(f"{patient} ({a} and {b})" for patient, (a, b) in both.items())
        advice = f"{listing}; use lists that part patients, or --partition patient"
        raise LeakError(f"{len(both)} patients are in two splits: {advice}")


def check_unboxed(images: Iterable[str], boxed: Mapping[str, object] | set[str], which: str) -> None:
    """Raise ``LeakError`` when an image with a truth box is among the training ``images``, with count and examples."""
    leaked = [image for image in images if image in boxed]
    if leaked:
        listing = examples(leaked)
        raise LeakError(
            f"{len(leaked)} images with a truth box are in {which}: {listing}; "
            "use the official lists, or --partition patient"
        )
