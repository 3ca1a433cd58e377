"""The command ``locus train …`` and the interface ``import locus``; both work in any folder after installation.

Import it before the ``datasets`` package of Hugging Face, which has the same name as a package of Locus.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

CHECKOUT = Path(__file__).resolve().parent
if str(CHECKOUT) not in sys.path[:1]:
    sys.path.insert(0, str(CHECKOUT))
if (other := sys.modules.get("datasets")) and CHECKOUT not in Path(str(other.__file__)).resolve().parents:
    raise ImportError("another package named datasets is already imported: import locus before it")

if TYPE_CHECKING:
    from locus.backbones import Classifier, build, wrap
    from locus.benchmark.evaluation.arrays import score
    from locus.benchmark.evaluation.evaluate import evaluate
    from locus.benchmark.explain import explain
    from locus.benchmark.records import Record
    from locus.benchmark.scoring.localize import boxes, to_frame
    from locus.core.frames import Grid
    from locus.datasets.base import Dataset
    from locus.methods import GradientMethod, Method

FROM = {
    "build": "backbones",
    "wrap": "backbones",
    "evaluate": "locus.benchmark.evaluation.evaluate",
    "explain": "locus.benchmark.explain",
    "boxes": "locus.benchmark.scoring.localize",
    "to_frame": "locus.benchmark.scoring.localize",
    "score": "locus.benchmark.evaluation.arrays",
    "Grid": "locus.core.frames",
    "Method": "methods",
    "GradientMethod": "methods",
}
"""Public name -> the module from which it is imported on first use."""
__all__ = [
    "GradientMethod", "Grid", "Method", "boxes", "build", "evaluate", "explain", "load", "load_dataset", "main",
    "records", "score", "to_frame", "wrap",
]  # fmt: skip
ENTRY_POINTS = {
    "train": "main",
    "heatmap": "heatmap",
    "run": "benchmark.run",
    "score": "benchmark.score",
    "check": "locus.benchmark.check.__main__",
    "convert": "benchmark.convert",
    "compare": "benchmark.compare",
    "gallery": "benchmark.gallery",
    "figures": "benchmark.figures",
    "export": "benchmark.export",
}
"""Subcommand -> the module whose ``main`` it calls."""


def load_dataset(
    name: str, root: Path | str | None = None, split: str = "test", num_classes: int | None = None, **options: Any
) -> "Dataset":
    """Load one split of a data set as a sequence of samples; ``options`` are arguments of ``locus.datasets.load``.

    ``num_classes``: number of findings, which the data set must support; None means the data set's default.
    """
    from locus import datasets

    return datasets.load(name, root=root, split=split, findings=num_classes, **options)


def load(run: Path | str, trust: bool = False) -> "Classifier":
    """Load the classifier from a run folder or its best.ckpt, in evaluation mode on the CPU.

    ``trust``: run the Python file that the checkpoint names, if any. If False, such a checkpoint raises
    ``BadValueError``. Raises ``DataError`` for a missing or broken file.
    """
    from locus.benchmark.training import load as checkpoints

    return checkpoints.network(run, trust=trust)


def records(folder: Path | str) -> "list[Record]":
    """Load all records in the results folder of a suite. Raises ``DataError`` for a folder without records."""
    from locus.benchmark.records import load as load_records

    return load_records(folder)


def __getattr__(name: str) -> Any:
    if name in FROM:
        return getattr(importlib.import_module(FROM[name]), name)
    raise AttributeError(f"module 'locus' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, for completion in notebooks."""
    return sorted({*globals(), *__all__})


def main() -> int:
    """Run a subcommand, ``locus COMMAND --flags``, and return its exit status."""
    from locus.core import startup

    startup.exit_quietly()
    word = sys.argv[1] if len(sys.argv) > 1 else "--help"
    usage = f"locus {'|'.join(ENTRY_POINTS)} [--flag value ...]; `locus COMMAND --help` lists the flags"
    if word in ("-h", "--help"):
        print(f"usage: {usage}")
        return 0
    if word not in ENTRY_POINTS:
        print(f"error: unknown command {word!r}; usage: {usage}", file=sys.stderr)
        return 2
    entry_point: Callable[[Sequence[str]], int] = importlib.import_module(ENTRY_POINTS[word]).main
    return entry_point(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
