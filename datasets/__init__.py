"""Data sets: one file and one class each, imported on request by ``names()`` and ``load(name, ...)``."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.names import normalize_data_set
from core.registry import Registry, construct

if TYPE_CHECKING:
    from datasets.base import Dataset

REGISTRY = Registry("datasets", "dataset")
FILES_OF = {"implanted": "NIH"}
"""Data set -> the other data set whose files it reads and whose default folder it shares."""


def names() -> list[str]:
    """Return the names of all data sets, sorted.

    >>> "NIH" in names() and "phantom" in names()
    True
    """
    return REGISTRY.names()


def is_synthetic(word: str) -> bool:
    """Return whether the findings of the data set ``word`` are drawn by code; False for an unknown word.

    >>> is_synthetic("phantom:train=8"), is_synthetic("NIH"), is_synthetic("three hospitals")
    (True, False, False)
    """
    name = normalize_data_set(word).split(":")[0]
    return name in names() and bool(REGISTRY.get(name).synthetic)


def root_of(word: str, root: Path | str | None = None) -> Path:
    """Return the folder of a data set: ``root`` if given, else its name (NIH for ``implanted``) below ``data``.

    The environment variable LOCUS_DATA replaces ``data``.
    """
    path, name = None if root is None else Path(root), normalize_data_set(word).split(":")[0]
    return path or Path(os.environ.get("LOCUS_DATA") or "data") / FILES_OF.get(name, name)


def at_hand(word: str, root: Path | str | None = None) -> bool:
    """Return whether the folder of a data set exists; the phantom needs none.

    >>> at_hand("phantom:boxed=5"), at_hand("NIH", "no/such/folder")
    (True, False)
    """
    return word.split(":")[0] == "phantom" or root_of(word, root).is_dir()


def check_folder(word: str, root: Path | str | None = None) -> None:
    """Raise ``DataError`` if the folder of a data set that needs files is missing or empty; imports no torch."""
    from datasets.base import Request

    if layout := REGISTRY.get(normalize_data_set(word)).layout:
        Request(root_of(word, root)).folder(layout)


def load(
    name: str,
    root: Path | str | None = None,
    split: str = "test",
    partition: str = "official",
    folds: int = 5,
    fold: int = 0,
    findings: int | None = None,
    seed: int = 0,
    img_size: int | None = None,
    cache: Path | str | None = None,
    leave_out_fold: int | None = None,
    **options: Any,
) -> "Dataset":
    """Load a split: a ``Sequence[Sample]`` with ``findings``, ``split``, ``describe``; no image is decoded yet.

    ``root`` is as in :func:`root_of`. ``partition`` is official, patient or kfold. With kfold, ``split="test"`` is fold
    number ``fold`` of ``folds``, and ``leave_out_fold`` is in no split. patient, kfold and all validation splits are
    made by patient and depend on ``seed``. ``findings`` is a number of findings that the data set supports (None: its
    default). ``img_size`` is the frame (img_size, img_size) of generated images; other data sets ignore it. ``cache``:
    a folder for the headers of DICOM files. Options of one data set are keyword arguments, or follow the name:
    ``phantom:grain=.05``. Raises ``UnknownNameError``, ``BadValueError`` for a value, ``DataError`` for files and
    ``LeakError`` for splits.
    """
    from datasets.base import Request

    name = normalize_data_set(name)
    arguments = (split, partition, folds, fold, findings, seed, img_size, None if cache is None else Path(cache))
    request = Request(root_of(name, root), *arguments, leave_out_fold)
    part: Callable[..., Dataset] = REGISTRY.get(name)
    data: Dataset = construct(functools.partial(part, request), "dataset", name, options)
    return data
