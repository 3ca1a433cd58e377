"""Data sets, each one file with one class, imported when it is asked for: ``names()`` and ``load(name, ...)``."""

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
"""Data set that reads another's files -> that other, whose folder is its own too."""


def names() -> list[str]:
    """The words of all data sets, sorted.

    >>> "NIH" in names() and "phantom" in names()
    True
    """
    return REGISTRY.names()


def is_synthetic(word: str) -> bool:
    """Whether ``word`` names a data set whose findings are drawn by code, as the phantom's; False for an unknown word.

    >>> is_synthetic("phantom:train=8"), is_synthetic("NIH"), is_synthetic("three hospitals")
    (True, False, False)
    """
    name = normalize_data_set(word).split(":")[0]
    return name in names() and bool(REGISTRY.get(name).synthetic)


def root_of(word: str, root: Path | str | None = None) -> Path:
    """Folder of a data set's files: ``root`` if given, else its ``word`` (NIH for ``implanted``) below ``data``.

    The environment variable LOCUS_DATA names another folder than ``data``.
    """
    given, name = None if root is None else Path(root), normalize_data_set(word).split(":")[0]
    return given or Path(os.environ.get("LOCUS_DATA") or "data") / FILES_OF.get(name, name)


def at_hand(word: str, root: Path | str | None = None) -> bool:
    """Whether the folder of a data set's files exists; the phantom needs none.

    >>> at_hand("phantom:boxed=5"), at_hand("NIH", "no/such/folder")
    (True, False)
    """
    return word.split(":")[0] == "phantom" or root_of(word, root).is_dir()


def check_folder(word: str, root: Path | str | None = None) -> None:
    """Raise ``DataError`` where the folder of a data set that needs files is absent or empty; imports no torch."""
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
    """A split: a ``Sequence[Sample]`` with ``findings``, ``split``, ``describe``; nothing is decoded yet.

    ``root`` is as in :func:`root_of`. ``partition`` is official, patient or kfold (then ``split="test"`` is fold number
    ``fold`` of ``folds``, and ``leave_out_fold`` is in no split); the last two and every validation cut go by patient,
    and depend on ``seed``. ``findings`` is a number of findings that the data set has (None: its usual one).
    ``img_size`` matters only where the images are drawn: their frame is then (img_size, img_size). ``cache``: a folder
    that keeps what was read of the headers of DICOM files. Options of one data set are keyword arguments, or ride in
    the name: ``phantom:grain=.05``. Raises ``UnknownNameError``, ``BadValueError`` for a value, ``DataError`` for files
    and ``LeakError`` for splits.
    """
    from datasets.base import Request

    name = normalize_data_set(name)
    asked = (split, partition, folds, fold, findings, seed, img_size, None if cache is None else Path(cache))
    request = Request(root_of(name, root), *asked, leave_out_fold)
    part: Callable[..., Dataset] = REGISTRY.get(name)
    data: Dataset = construct(functools.partial(part, request), "dataset", name, options)
    return data
