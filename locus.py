"""One command and one module that work from any folder: ``locus train …``, ``import locus``.

Installed by ``pip install -e .``; both find the checkout. Import it before Hugging Face's ``datasets``: ours has that
name too, and stands in front from then on.
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
    raise ImportError("another package named datasets is imported already: import locus before it")

if TYPE_CHECKING:
    from backbones import Classifier, build, wrap
    from benchmark.evaluation.arrays import score
    from benchmark.evaluation.evaluate import evaluate
    from benchmark.explain import explain
    from benchmark.records import Record
    from benchmark.scoring.localize import boxes, to_frame
    from core.frames import Grid
    from datasets.base import Dataset
    from methods import GradientMethod, Method

FROM = {
    "build": "backbones",
    "wrap": "backbones",
    "evaluate": "benchmark.evaluation.evaluate",
    "explain": "benchmark.explain",
    "boxes": "benchmark.scoring.localize",
    "to_frame": "benchmark.scoring.localize",
    "score": "benchmark.evaluation.arrays",
    "Grid": "core.frames",
    "Method": "methods",
    "GradientMethod": "methods",
}
"""Name -> the module that it is imported from when it is first used."""
__all__ = [
    "GradientMethod", "Grid", "Method", "boxes", "build", "evaluate", "explain", "load", "load_dataset", "main",
    "records", "score", "to_frame", "wrap",
]  # fmt: skip
ENTRY_POINTS = {
    "train": "main",
    "heatmap": "heatmap",
    "run": "benchmark.run",
    "score": "benchmark.score",
    "check": "benchmark.check",
    "convert": "benchmark.convert",
    "submit": "benchmark.submit",
    "power": "benchmark.power",
    "compare": "benchmark.compare",
    "verify": "benchmark.verify",
    "gallery": "benchmark.gallery",
    "figures": "benchmark.figures",
    "export": "benchmark.export",
}
"""Word of the command -> the module whose ``main`` it calls; those that are there."""


def load_dataset(
    name: str, root: Path | str | None = None, split: str = "test", num_classes: int | None = None, **options: Any
) -> "Dataset":
    """The samples of one split of a data set: see ``datasets.load``, whose other keywords it takes.

    ``num_classes``: how many findings, one of the numbers that the data set has; None: its usual one.
    """
    import datasets

    return datasets.load(name, root=root, split=split, findings=num_classes, **options)


def load(run: Path | str, trust: bool = False) -> "Classifier":
    """The classifier of a run folder or its best.ckpt, in evaluation mode on the CPU.

    ``trust``: whether a Python file that it names may run. Raises ``BadValueError`` where one would have to,
    ``DataError``.
    """
    from benchmark.training import checkpoints

    return checkpoints.load(run, trust=trust)[0]


def records(folder: Path | str) -> "list[Record]":
    """All records of a suite's folder of results. Raises ``DataError`` for a folder without any."""
    from benchmark.records import load as load_records

    return load_records(folder)


def __getattr__(name: str) -> Any:
    if name in FROM:
        return getattr(importlib.import_module(FROM[name]), name)
    raise AttributeError(f"module 'locus' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What a user needs, for completion in a notebook."""
    return sorted({*globals(), *__all__})


def entry_points() -> list[str]:
    """The words of the commands whose modules exist."""
    paths = {word: CHECKOUT / module.replace(".", "/") for word, module in ENTRY_POINTS.items()}
    return [word for word, path in paths.items() if path.with_suffix(".py").is_file() or path.is_dir()]


def main() -> int:
    """``locus WORD --flags``: call the entry point of a word with its flags; return its exit status."""
    from core import interrupts

    interrupts.exit_quietly()
    word = sys.argv[1] if len(sys.argv) > 1 else "--help"
    usage = f"locus {'|'.join(entry_points())} [--flag value ...]; `locus WORD --help` lists the flags"
    if word in ("-h", "--help"):
        print(f"usage: {usage}")
        return 0
    if word not in entry_points():
        print(f"error: unknown command {word!r}: {usage}", file=sys.stderr)
        return 2
    package = (CHECKOUT / ENTRY_POINTS[word].replace(".", "/")).is_dir()
    module = importlib.import_module(f"{ENTRY_POINTS[word]}.__main__" if package else ENTRY_POINTS[word])
    entry_point: Callable[[Sequence[str]], int] = module.main
    return entry_point(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
