"""The command ``locus train …``, which works in any folder after installation; also ``python -m locus train …``."""

import importlib
import sys
from collections.abc import Callable, Sequence

from locus.core import startup

ENTRY_POINTS = {
    "train": "locus.train",
    "heatmap": "locus.heatmap",
    "run": "locus.benchmark.run",
    "score": "locus.benchmark.score",
    "check": "locus.benchmark.check.__main__",
    "compare": "locus.benchmark.compare",
    "audit": "locus.benchmark.audit",
    "gallery": "locus.benchmark.gallery",
    "export": "locus.benchmark.export",
}
"""Subcommand -> the module whose ``main`` it calls."""


def main() -> int:
    """Run a subcommand, ``locus COMMAND --flags``, and return its exit status."""
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
