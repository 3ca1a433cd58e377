"""Compare two sets of five training runs of the same networks: ``python -m tools.halves --suite NAME``.

Each network of a suite that has ten training runs is split by seed, 0 to 4 and 5 to 9. The recipe is the same, so only
one in twenty confidence intervals of the differences (nested: other training runs, the same patients) should exclude 0,
and the same methods should possibly be the best in both halves. Write ``seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]`` in the
file of a suite and run it first; use ``--trainings 2`` for suites with fewer runs.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark import records
from benchmark.report import select
from benchmark.report.table import Table, as_text, number
from benchmark.report.transfer.pairs import Rows, ranking, suite_scores
from benchmark.scoring.statistics.entries import compared, difference, verdicts
from core import cli
from core.errors import BadValueError
from core.names import MAIN

HEADER = (
    "method",
    "first half",
    "second half",
    "difference [95%]",
    "excludes 0",
    "may be the best",
    "second half",
)


@dataclass(frozen=True)
class HalvesConfig:
    """Compare two sets of training runs of the same networks: ``python -m tools.halves``."""

    suite: str = "phantom"
    """Suite whose training runs are compared."""
    results: str = "results"
    """Folder of results, with the records and rows per case of the suite."""
    trainings: Annotated[int, cli.AtLeast(2)] = 5
    """Number of training runs in each set."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Print a table for each network that has enough training runs."""
    config, _ = cli.parse(HalvesConfig, argv, "python -m tools.halves")
    print(text(Path(config.results) / config.suite, config.trainings))


def text(folder: Path, count: int) -> str:
    """Return a table for each network in a suite's ``folder`` that compares twice ``count`` training runs.

    Raises ``BadValueError`` if no network has enough runs, ``DataError`` for a folder without records.
    """
    runs = [record for record in records.load_metric(folder, MAIN) if record.source == "run"]
    by_dataset = [suite_scores(folder, runs, name) for name in select.datasets(runs)]
    networks = [item for scores in by_dataset if scores for item in scores.networks.items()]
    tables = [_table(name, net.methods, count) for name, net in networks if net.trainings >= 2 * count]
    if not tables:
        raise BadValueError(f"no network in {folder} has {2 * count} training runs: use a smaller --trainings")
    return "\n".join(tables)


def _table(network: str, methods: Rows, count: int) -> str:
    """Return the table of a network, one row per method, and the number of differences that exclude 0."""
    halves = [{name: row.restrict(row.runs[start : start + count]) for name, row in methods.items()}
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
    """Return the methods that are not significantly worse than another one."""
    names = ranking(half, half)
    of_methods = verdicts(len(names), lambda a, b: compared(half[names[a]], half[names[b]]))
    return {name for name, verdict in zip(names, of_methods, strict=True) if verdict.may_be_best}


if __name__ == "__main__":
    sys.exit(main())
