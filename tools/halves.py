"""Do five training runs of an entry say what five others say? ``python -m tools.halves --suite NAME``.

Each network of a suite that has ten trainings is parted by seed, 0 to 4 and 5 to 9. It is the same recipe, so of the
differences between the halves (nested: other trainings, the same patients) one in twenty may exclude 0, and in both
halves the same methods should be those that may be the best. Write ``seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]`` into a
suite's file, run it and ask; ``--trainings 2`` asks suites with fewer.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark import records
from benchmark.report import select
from benchmark.report.table import Table, as_text, number
from benchmark.report.transfer.pairs import ranking
from benchmark.report.transfer.scores import Rows, suite_scores
from benchmark.scoring.statistics.entries import compared, difference, verdicts
from core import cli
from core.errors import BadValueError
from core.names import MAIN

HEADER = (
    "method",
    "first half",
    "second half",
    "difference [95 %]",
    "excludes 0",
    "may be the best",
    "second half",
)


@dataclass(frozen=True)
class HalvesConfig:
    """Do five trainings of an entry say what five others say: ``python -m tools.halves``."""

    suite: str = "phantom"
    """Suite whose trainings are parted."""
    results: str = "results"
    """Folder of results with the suite's records and rows per case."""
    trainings: Annotated[int, cli.AtLeast(2)] = 5
    """Trainings of each half."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Print a table per network that has enough trainings."""
    config, _ = cli.parse(HalvesConfig, argv, "python -m tools.halves")
    print(text(Path(config.results) / config.suite, config.trainings))


def text(folder: Path, count: int) -> str:
    """What ``count`` trainings of each network of a suite's ``folder`` say, and as many others.

    Raises ``BadValueError`` where no network has so many, ``DataError`` for a folder without records.
    """
    runs = [record for record in records.load_metric(folder, MAIN) if record.source == "run"]
    known = [suite_scores(folder, runs, name) for name in select.datasets(runs)]
    networks = [item for scores in known if scores for item in scores.networks.items()]
    answers = [_answer(name, net.methods, count) for name, net in networks if net.trainings >= 2 * count]
    if not answers:
        raise BadValueError(
            f"no network in {folder} has {2 * count} trainings: write --trainings with a smaller number"
        )
    return "\n".join(answers)


def _answer(network: str, methods: Rows, count: int) -> str:
    """A row per method, best of the first half on top, and how many differences exclude 0."""
    halves = [{name: row.restrict(row.trainings[start : start + count]) for name, row in methods.items()}
              for start in (0, count)]  # fmt: skip
    best = [_may_be_best(half) for half in halves]
    gaps = {name: difference(halves[0][name], halves[1][name]) for name in methods}
    away = {name for name, gap in gaps.items() if not gap.low <= 0 <= gap.high}
    rows = tuple(
        (
            name,
            *(number(float(half[name].theta.mean())) for half in halves),
            f"{gaps[name].value:+.3f} [{gaps[name].low:+.3f}, {gaps[name].high:+.3f}]",
            *("yes" if name in names else "no" for names in (away, *best)),
        )
        for name in ranking(halves[0], methods)
    )
    table = as_text(Table(f"{network}: {count} trainings and {count} others", "", HEADER, rows))
    groups = (", ".join(name for name in methods if name in names) for names in best)
    return f"{table}{len(away)} of {len(methods)} differences exclude 0. May be the best: {' | '.join(groups)}.\n"


def _may_be_best(half: Rows) -> set[str]:
    """The methods than which no other one is significantly better."""
    names = ranking(half, half)
    of_methods = verdicts(len(names), lambda a, b: compared(half[names[a]], half[names[b]]))
    return {name for name, verdict in zip(names, of_methods, strict=True) if verdict.may_be_best}


if __name__ == "__main__":
    sys.exit(main())
