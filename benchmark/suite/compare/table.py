"""Comparisons as tables and as a CSV file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.report.table import NOTHING, Table, number
from benchmark.scoring.statistics.paired import Comparison, corrected
from benchmark.suite.compare.pairs import Pair, model_and_method
from core.files import atomic, csv_cell
from core.names import MAIN

WORDS = ("model", "method")
HEADER = ("finding", "A", "B", "A − B [95%]", "p", "p (Holm)", "n")


@dataclass(frozen=True)
class ComparisonRow:
    """One comparison and its cells."""

    pair: Pair
    patients: int
    """Number of patients with a case."""
    comparison: Comparison


def adjusted(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Return the rows, metric by metric, with p adjusted by Holm: over all pairs, findings and means of a metric.

    Holm, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6 (1979).
    """
    families: dict[str, list[ComparisonRow]] = {}
    for row in rows:
        families.setdefault(row.comparison.metric, []).append(row)
    pairs = [zip(family, corrected([row.comparison for row in family]), strict=True) for family in families.values()]
    return [replace(row, comparison=comparison) for family in pairs for row, comparison in family]


def tables(rows: Sequence[ComparisonRow]) -> list[Table]:
    """Return one table per metric; for several pairs the findings of the main metric only, and the means of the others.

    Word columns with the same value in every row are left out.
    """
    pairs = list(dict.fromkeys(row.pair.names for row in rows))
    varies = [n for n in range(len(WORDS)) if len({words[n] for words in pairs}) > 1]
    one_pair = len(pairs) == 1
    listed = [r for r in rows if one_pair or r.comparison.metric == MAIN or r.comparison.finding == "mean"]
    heads = dict.fromkeys((row.comparison.metric, row.comparison.origin) for row in listed)
    return [
        _table(metric, origin, [r for r in listed if r.comparison.metric == metric], varies) for metric, origin in heads
    ]


def _table(metric: str, origin: str, rows: Sequence[ComparisonRow], varies: Sequence[int]) -> Table:
    """Build a table; model and method are columns only if they differ between rows.

    So is the scope of the comparison, if only some pairs have several training runs on both sides.
    """
    mixed = len({row.pair.over_patients_only for row in rows}) > 1
    scope = {True: "patients", False: "training runs and patients"}
    lines = ((row.pair.names, _cells(row.comparison), scope[row.pair.over_patients_only]) for row in rows)
    header, *cells = (
        (*(names[n] for n in varies), *line, *([by] if mixed else []))
        for names, line, by in ((WORDS, HEADER, "compared over"), *lines)
    )
    title = "no threshold" if origin == "none" else f"threshold {origin}"
    return Table(f"{metric} ({title})", "", header, tuple(cells))


def _cells(c: Comparison) -> tuple[str, ...]:
    interval = "" if c.low is None or c.high is None else f" [{c.low:+.3f}, {c.high:+.3f}]"
    gap = NOTHING if c.difference is None else f"{c.difference:+.3f}{interval}"
    return (c.finding, number(c.first), number(c.second), gap, _p(c.p), _p(c.adjusted), str(c.n))


def _p(value: float | None) -> str:
    """Format p with four decimals, the resolution of 10,000 sign flips; smaller values as a bound."""
    if value is None:
        return NOTHING
    return f"{value:.4f}" if value >= 0.0001 else "< 0.0001"


def write(rows: Sequence[ComparisonRow], path: Path) -> None:
    """Write all rows with all digits to a CSV file. Raises ``WriteError`` if it cannot be written."""
    with atomic(path) as temporary:
        pd.DataFrame(map(_line, rows)).to_csv(temporary, index=False, lineterminator="\n")


def _line(row: ComparisonRow) -> dict[str, Any]:
    (model_a, method_a), (model_b, method_b) = map(model_and_method, row.pair.sides)
    names = {"model_A": model_a, "method_A": method_a, "model_B": model_b, "method_B": method_b}
    trainings = dict(zip(("trainings_A", "trainings_B"), map(len, row.pair.sides), strict=True))
    values = {**names, **asdict(row.comparison), "patients": row.patients, **trainings}
    return {name: csv_cell(value) for name, value in values.items()}
