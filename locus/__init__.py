"""A benchmark for weakly-supervised localization in chest radiographs. ``import locus`` is the Python interface."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locus.arrays import score
    from locus.backbones import Classifier, build, wrap
    from locus.benchmark.evaluation.evaluate import evaluate
    from locus.benchmark.evaluation.result import rules
    from locus.benchmark.records import Record
    from locus.core.frames import Grid, iobb, iou
    from locus.datasets.base import Dataset
    from locus.drawing import overlay
    from locus.explaining.batch import explain
    from locus.methods import GradientMethod, Method
    from locus.scoring.surface.bilinear import boxes, to_frame

PUBLIC = {
    "locus.backbones": ("build", "wrap"),
    "locus.drawing": ("overlay",),
    "locus.arrays": ("score",),
    "locus.benchmark.evaluation.evaluate": ("evaluate",),
    "locus.benchmark.evaluation.result": ("rules",),
    "locus.explaining.batch": ("explain",),
    "locus.scoring.surface.bilinear": ("boxes", "to_frame"),
    "locus.core.frames": ("Grid", "iou", "iobb"),
    "locus.methods": ("GradientMethod", "Method"),
}
"""Module -> the public names that are imported from it on first use."""
MODULE_OF_NAME = {name: module for module, names in PUBLIC.items() for name in names}
__version__ = "0.1.0"
PACKAGES = ("backbones", "benchmark", "core", "datasets", "methods", "metrics")
__all__ = [
    "GradientMethod", "Grid", "Method", "boxes", "build", "evaluate", "explain", "iobb", "iou", "load", "load_dataset",
    "overlay", "records", "rules", "score", "to_frame", "wrap",
]  # fmt: skip


def load_dataset(
    name: str,
    root: Path | str | None = None,
    split: str = "test",
    num_classes: int | None = None,
    **options: Any,
) -> "Dataset":
    """Load one split of a data set as a sequence of samples.

    Args:
        name: name of the data set, with options: ``NIH``, ``phantom``, ``folder:images=DIR``.
        root: folder of its files; None: ``$LOCUS_DATA/<name>`` if LOCUS_DATA is set, else ``data/<name>``.
        split: ``train``, ``val`` or ``test``.
        num_classes: number of findings, which the data set must support; None: the data set's default.
        options: other arguments of ``locus.datasets.load``.

    Returns:
        The data set. No image is decoded before its sample is used.

    Raises:
        UnknownNameError: an unknown data set.
        BadValueError: another invalid argument.
        DataError: missing or broken files.

    Example:
        >>> load_dataset("phantom", num_classes=8)
        phantom, test: 800 images, 8 findings
    """
    from locus import datasets

    return datasets.load(name, root=root, split=split, findings=num_classes, **options)


def load(run: Path | str, trust: bool = False) -> "Classifier":
    """Load the classifier from a run folder, its best.ckpt or a file of weights, in evaluation mode on the CPU.

    The package comes with two networks, trained on generated images: ``demo-pcam`` and ``demo-avg``.

    Args:
        run: run folder, best.ckpt, file of weights, or the name of one of these two networks.
        trust: run the Python file that the checkpoint names, if any.

    Returns:
        The network.

    Raises:
        BadValueError: the checkpoint names a Python file and ``trust`` is False.
        DataError: a missing or broken file.

    Example:
        >>> load("demo-pcam").img_size
        96
    """
    from locus.benchmark import opening
    from locus.core.files import require_path

    require_path(run, "run")
    return opening.load(run, trust=trust)


def records(folder: Path | str) -> "list[Record]":
    """Load all records in the results folder of a suite.

    Args:
        folder: the folder, such as ``results/demo``.

    Returns:
        The records, in the order of their files.

    Raises:
        DataError: a folder without records.

    Example::

        for record in locus.records("results/demo"):
            print(record.cell.method, record.find("hit@iou.3"))
    """
    from locus.benchmark.records import load as load_records
    from locus.core.files import require_path

    require_path(folder, "folder")
    return load_records(folder)


def __getattr__(name: str) -> Any:
    if name in MODULE_OF_NAME:
        return getattr(importlib.import_module(MODULE_OF_NAME[name]), name)
    if name in PACKAGES:
        return importlib.import_module(f"locus.{name}")
    raise AttributeError(f"module 'locus' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, for completion in notebooks."""
    return sorted({*globals(), *__all__})
