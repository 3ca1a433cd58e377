"""The command ``locus train …``, which works in any folder after installation; also ``python -m locus train …``."""

import importlib
import sys
from collections.abc import Callable, Sequence

import locus
from locus.core import startup
from locus.core.errors import UnknownNameError

ENTRY_POINTS = {
    "train": ("locus.train", "train a classifier from image labels"),
    "heatmap": ("locus.heatmap", "draw heat maps and boxes of a network"),
    "run": ("locus.benchmark.run", "run suites and write their tables"),
    "score": ("locus.benchmark.score", "score your own heat maps or boxes"),
    "audit": (
        "locus.benchmark.audit.__main__",
        "compare published numbers with boxes that see no image",
    ),
    "check": ("locus.benchmark.check", "test a method, a data set or a network"),
    "compare": ("locus.benchmark.compare", "compare two results folders or two rows"),
    "gallery": ("locus.benchmark.gallery", "write a page with the maps of all methods"),
    "export": ("locus.benchmark.export", "export the weights of training runs"),
}
"""Subcommand -> the module whose ``main`` it calls, and what it does."""


def main() -> int:
    """Run a subcommand, ``locus COMMAND --flags``, and return its exit status."""
    startup.exit_quietly()
    startup.require_packages()
    word = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if word in ("-h", "--help"):
        print("usage: locus COMMAND [--flag value ...]; `locus COMMAND --help` lists the flags\n")
        print("\n".join(f"  {name:<8}  {what}" for name, (_, what) in ENTRY_POINTS.items()))
        return 0
    if word == "--version":
        print(f"locus {locus.__version__}")
        return 0
    if word not in ENTRY_POINTS:
        print(f"error: {UnknownNameError('command', word, ENTRY_POINTS)}", file=sys.stderr)
        return 2
    entry_point: Callable[[Sequence[str]], int] = importlib.import_module(
        ENTRY_POINTS[word][0]
    ).main
    return entry_point(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
