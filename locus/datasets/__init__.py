"""Data sets, one file or package and one class each. ``load(name, …)`` imports a data set when it is needed."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locus.core.errors import BadValueError
from locus.core.names import normalize_data_set
from locus.core.registry import DATASETS, construct, validated
from locus.core.registry import options as options_of

if TYPE_CHECKING:
    from locus.config import TrainConfig
    from locus.datasets.base import Dataset

REGISTRY = DATASETS
FILES_OF = {"implanted": "NIH"}
"""Data set -> the other data set whose files it reads and whose default folder it shares."""

TRUTHS_OF_XRV = ("rsna_pneumonia", "siim_pneumothorax", "vindr_cxr")
"""Data sets whose tables are in the package torchxrayvision; with ``images=False`` they need no folder."""
TABLES_OF_USER = ("chestx_det10",)
"""Data sets whose tables are in no package: they need their folder also without images."""


def names() -> list[str]:
    """Return the names of all data sets, sorted.

    >>> "NIH" in names() and "phantom" in names()
    True
    """
    return REGISTRY.names()


def is_synthetic(dataset: str) -> bool:
    """Return True if the findings of the data set ``dataset`` are drawn by code; False for an unknown word.

    >>> is_synthetic("phantom:train=8"), is_synthetic("NIH"), is_synthetic("three hospitals")
    (True, False, False)
    """
    name = normalize_data_set(dataset).split(":")[0]
    return name in names() and bool(REGISTRY.get(name).synthetic)


def root_of(dataset: str, root: Path | str | None = None) -> Path:
    """Return the folder of a data set: ``root`` if given, else ``$LOCUS_DATA/<name>``, else ``data/<name>``.

    The name is NIH for ``implanted``, which reads NIH's files.
    """
    if not isinstance(root, str | Path | None):
        raise BadValueError(f"root is {root!r}: give the path of a folder")
    path = None if root is None else Path(root)
    name = normalize_data_set(dataset).split(":")[0]
    return path or Path(os.environ.get("LOCUS_DATA") or "data") / FILES_OF.get(name, name)


def at_hand(dataset: str, root: Path | str | None = None) -> bool:
    """Return True if the folder of a data set exists or is not needed (the phantom, or truth without images).

    >>> at_hand("phantom:boxed=5"), at_hand("NIH", "no/such/folder"), at_hand("NIH:images=False")
    (True, False, True)
    """
    if not needs_folder(dataset) and dataset.split(":")[0] in TRUTHS_OF_XRV:
        from locus.datasets.io.tables import xrv_folder  # imports pandas

        return xrv_folder() is not None
    return not needs_folder(dataset) or root_of(dataset, root).is_dir()


def needs_folder(dataset: str) -> bool:
    """Return True if the data set ``dataset`` reads files of a folder."""
    name = dataset.split(":")[0]
    return name in TABLES_OF_USER or (
        name != "phantom" and options_of(dataset).get("images", True) is not False
    )


def check(name: str, root: Path | str | None = None) -> None:
    """Check the options of a data set and its folder, without reading files. Does not import torch.

    Raises ``BadValueError`` for a wrong option, and ``DataError`` if the folder is needed but missing or empty.
    """
    from locus.datasets.base import Request

    name = normalize_data_set(name)
    dataset_class: Any = REGISTRY.get(name)
    chosen = options_of(name)
    if chosen:  # validation imports pydantic
        validated(dataset_class.__init__, chosen)
    if dataset_class.layout and needs_folder(name):
        Request(root=root_of(name, root)).folder(dataset_class.layout)


def load(
    name: str,
    root: Path | str | None = None,
    split: str = "test",
    partition: str = "official",
    **options: Any,
) -> "Dataset":
    """Load one split of a data set as a sequence of samples. Images are decoded later.

    Args:
        name: name of the data set, with or without options (``phantom:grain=.05``).
        root: folder of its files; see :func:`root_of`.
        split: train, val or test.
        partition: official (published lists), patient (random), kfold, or all (every split has all images). Random
            splits keep the images of a patient together and depend on ``seed``.
        options: the other fields of ``Request``: ``folds`` and ``fold`` (index of the test fold) of ``kfold``,
            ``leave_out_fold``, ``findings`` (their number), ``seed``, ``img_size`` (side of generated images) and
            ``cache`` (folder for the headers of DICOM files); and options of the data set, as an alternative to those
            in ``name``.

    Raises:
        UnknownNameError, BadValueError: an invalid argument. DataError: a missing or broken file. LeakError: splits
        that share patients.
    """
    from locus.datasets.base import Request

    name = normalize_data_set(name)
    fields = {key: options.pop(key) for key in Request.__dataclass_fields__.keys() & options.keys()}
    request = Request(
        root=root_of(name, root), **{"split": split, "partition": partition, **fields}
    )
    dataset_class: Callable[..., Dataset] = REGISTRY.get(name)
    options = validated(dataset_class.__init__, {**options, **options_of(name)})
    data: Dataset = construct(
        functools.partial(dataset_class, request), "data set", name.split(":")[0], options
    )
    return data


def load_split(config: "TrainConfig", split: str) -> "Dataset":
    """Load the ``split`` (train, val or test) that the flags of a training run name, with its preprocessing.

    Raises an error of ``locus.core.errors`` if data are missing.
    """
    from locus.datasets.io import preprocess  # imports NumPy

    data = load(
        config.dataset,
        config.data_root_dir,
        split,
        img_size=config.img_size,
        cache=config.cache_dir,
        **config.split_arguments(),
    )
    return preprocess.of(data, config.preprocess)
