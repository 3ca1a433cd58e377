"""Differences of two rows on the cases that both have, whatever their suites, and their tables.

``common_cases``  the cases of two rows, in the same order
``differences``   each compared column by finding, and its mean; ``corrected`` adds Holm's correction
``under_rules``   two rows under all rules that need only the rows per case
``tables``, ``rules_table``, ``caveats``  what ``benchmark.compare`` prints
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from locus.benchmark.records import cases
from locus.benchmark.report.case_columns import CaseColumns, CaseFolders, Codes, column_as_floats, read_columns
from locus.benchmark.report.row import Row
from locus.benchmark.report.select import grouped
from locus.benchmark.report.table import NOTHING, Table, number
from locus.benchmark.scoring.rules import CUTS, of_locus
from locus.benchmark.scoring.statistics.mrmc import over_patients
from locus.benchmark.scoring.statistics.rank_reversals import UnderRule, Values, two_rows
from locus.benchmark.scoring.statistics.resample import FLIPS, RESAMPLES, SMALLEST, CaseGroups, CaseIndex, holm, mean
from locus.core.errors import DataError
from locus.core.names import MAIN
from locus.core.types import FloatArray

COLUMNS = (MAIN, "hit@iou.1", "hit@iou.5", "hit@iobb.5", "mean_iou", "pointing")
"""Compared columns; the main column also by finding."""
READ = (*COLUMNS, "iou", "iobb", "center_inside", "anyhits", *(f"iou_{origin}" for origin in CUTS))
"""Columns of the rows per case, with those of all rules."""
Pair = tuple[Row, Row]
"""Two rows that are compared, A and B."""


def run_names(row: Row) -> tuple[str, ...]:
    """Return the digest of the weights of each run, or its model without a checkpoint: equal names, equal runs."""
    return tuple(" ".join(record.checkpoints) or record.cell.model_id for record in row.runs)


@dataclass(frozen=True, eq=False)
class CommonCases:
    """The N cases that all training runs of two rows have, in the same order."""

    pair: Pair
    rows: Sequence[CaseColumns]
    """The rows per case of each side."""
    of_common: Sequence[Codes]
    """(N,) of each side: the indices of the common cases."""

    @property
    def left_out(self) -> list[int]:
        """Number of cases of each side that the other lacks."""
        return [len(rows.findings) - len(self.index) for rows in self.rows]

    @cached_property
    def index(self) -> CaseIndex:
        """Finding and patient of each case."""
        rows, common = self.rows[0], self.of_common[0]
        return CaseIndex(rows.findings[common], rows.patients[common], np.zeros(len(common), np.int64))

    def column(self, name: str) -> FloatArray:
        """Return a column as (N, runs of A + runs of B); nan where it is unknown."""
        keys = [[record.key for record in row.runs] for row in self.pair]
        sides = zip(self.rows, keys, self.of_common, strict=True)
        return np.concatenate([rows.spread(of, _values(rows, name))[common] for rows, of, common in sides], 1)


def _values(rows: CaseColumns, name: str) -> FloatArray:
    if name.startswith("hit@"):
        return rows.hits(name)
    name = "iou" if name == "mean_iou" else name
    missing = np.full(len(rows.rows), np.nan)
    return column_as_floats(rows.rows, name) if name in rows.rows.column_names else missing


def common_cases(pair: Pair, folders: Sequence[Path]) -> CommonCases:
    """Read the rows per case of two rows; they may have no case in common. Raises ``DataError`` if rows are missing."""
    both = [_read(row, folder) for row, folder in zip(pair, folders, strict=True)]
    one, other = (np.char.add(np.char.add(rows.images, "\t"), rows.findings)[rows.in_all] for rows in both)
    _, *found = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    return CommonCases(pair, both, [rows.in_all[common] for rows, common in zip(both, found, strict=True)])


def _read(row: Row, folder: Path) -> CaseColumns:
    rows = read_columns(row.runs, CaseFolders(folder), READ)
    if absent := [record.cell for record in row.runs if record.key not in rows.columns]:
        raise DataError(f"no rows per case of {absent[0].model_id}, {row.name} in {folder}: {cases.RUN_AGAIN}")
    return rows


@dataclass(frozen=True)
class Difference:
    """The difference A − B of two rows in one column, of a finding or of the mean over findings."""

    pair: Pair
    finding: str
    n: int
    """Number of cases."""
    patients: int
    values: UnderRule
    """Of the column ``rule``; ``p_holm``: see ``corrected``."""

    @property
    def words(self) -> tuple[str, str, str]:
        """Model, method and number of training runs; both if they differ."""
        one, other = self.pair
        sides = (one.cell.model_id, other.cell.model_id), (one.name, other.name)
        model, method = (a if a == b else f"{a} − {b}" for a, b in sides)
        return model, method, f"{len(one.runs)} and {len(other.runs)}"

    @property
    def line(self) -> dict[str, object]:
        """Its line of a CSV file."""
        sides = zip("AB", self.pair, strict=True)
        of_rows = [{f"model_{n}": r.cell.model_id, f"method_{n}": r.name, f"runs_{n}": len(r.runs)} for n, r in sides]
        values = self.values._asdict()
        column = {"metric": values.pop("rule"), "finding": self.finding, "n": self.n, "patients": self.patients}
        return {**of_rows[0], **of_rows[1], **column, **values}


def differences(both: CommonCases) -> list[Difference]:
    """Compare two rows on their common cases: each of ``COLUMNS`` that all runs have, by finding and its mean.

    Several training runs are compared over runs and patients, one run on each side over patients.
    """
    index, columns = both.index, dict[tuple[str, str], FloatArray]()
    if not len(index):
        return []
    for metric in COLUMNS:
        if np.isfinite(values := both.column(metric)).all():
            by_finding = index.groups(shared=False).items()
            columns |= {(metric, name): np.where(mask[:, None], values, np.nan) for name, mask in by_finding}
            columns[metric, "mean"] = values
    compare = two_rows if has_runs(both.pair) else _two_runs
    compared = compare({" ".join(key): of for key, of in columns.items()}, index, [*map(run_names, both.pair)])
    patients = len({*index.patients.tolist()})
    return [
        Difference(both.pair, finding, int(np.isfinite(of[:, 0]).sum()), patients, row._replace(rule=metric))
        for ((metric, finding), of), row in zip(columns.items(), compared, strict=True)
    ]


def has_runs(pair: Pair) -> bool:
    """Return whether a row has several training runs."""
    return max(len(row.runs) for row in pair) > 1


def _two_runs(values: Values, index: CaseIndex, runs: Sequence[tuple[str, ...]]) -> list[UnderRule]:
    """Compare two single runs over patients, as the tables compare a row of one run with ``prior``."""
    columns = np.stack([*values.values()], -1)  # (N,2,columns)
    known, groups = np.isfinite(columns), CaseGroups.of(index.findings, index.patients)
    one, other = (groups.sums(np.where(known, columns, 0)[:, n], known[:, n].astype(float)) for n in (0, 1))
    ends = [[v if np.isfinite(v) else None for v in (e.low, e.high, e.p)] for e in over_patients(one, other)]
    means = zip(*(mean(side.value, 0).tolist() for side in (one, other)), strict=True)
    rows = zip(values, means, ends, strict=True)
    return [UnderRule(rule, a, b, a - b, low, high, p, None) for rule, (a, b), (low, high, p) in rows]


def corrected(rows: Sequence[Difference]) -> list[Difference]:
    """Return the rows, column by column, with p corrected by Holm over all pairs, findings and means of a column."""
    out = []
    for of_column in grouped(rows, lambda row: row.values.rule).values():
        adjusted = holm(np.array([row.values.p for row in of_column], dtype=np.float64)).tolist()
        both = zip(of_column, adjusted, strict=True)
        out += [replace(r, values=r.values._replace(p_holm=None if r.values.p is None else p)) for r, p in both]
    return out


def under_rules(both: CommonCases) -> list[UnderRule]:
    """Compare two rows under all rules of the check ``protocols`` that need only the rows per case."""
    values = {rule: of for rule, of in of_locus(both.column).items() if np.isfinite(of).all()}
    return two_rows(values, both.index, [*map(run_names, both.pair)])


HEADER = ("A", "B", "A − B [95%]", "p", "p (Holm)")


def tables(rows: Sequence[Difference]) -> list[Table]:
    """Return the main column by finding, and the means of all columns over findings."""
    by_finding = [(row, row.finding) for row in rows if row.values.rule == MAIN]
    means = [(row, row.values.rule) for row in rows if row.finding == "mean"]
    return [_table(f"{MAIN} by finding", "finding", by_finding), _table("mean over findings", "column", means)]


def _table(title: str, heading: str, rows: Sequence[tuple[Difference, str]]) -> Table:
    """Build a table. Model, method and numbers of training runs are columns only if they differ between rows."""
    words = [row.words for row, _ in rows]
    varies = [n for n, of in enumerate(zip(*words, strict=True)) if len({*of}) > 1]
    heads = [("model", "method", "runs of A and B")[n] for n in varies]
    cells = [(*(row.words[n] for n in varies), name, *_cells(row.values), str(row.n)) for row, name in rows]
    return Table(title, "", (*heads, heading, *HEADER, "n"), tuple(cells))


def rules_table(title: str, rows: Sequence[UnderRule]) -> Table:
    """Return a row per rule, with the significantly better side."""
    cells = [(row.rule, *_cells(row), {1: "A", -1: "B", 0: NOTHING}[row.sign]) for row in rows]
    return Table(title, "", ("rule", *HEADER, "better"), tuple(cells))


def _cells(row: UnderRule) -> list[str]:
    """Format p with four decimals, the resolution of 10,000 sign flips; smaller values as a bound."""
    p = [NOTHING if p is None else f"{p:.4f}" if p >= 0.0001 else "< 0.0001" for p in (row.p, row.p_holm)]
    return [number(row.first), number(row.second), with_interval(row), *p]


def with_interval(row: UnderRule) -> str:
    """Return A − B with its interval, if it has one."""
    interval = "" if row.low is None or row.high is None else f" [{row.low:+.3f}, {row.high:+.3f}]"
    return f"{row.difference:+.3f}{interval}"


OVER_RUNS = (
    "several training runs: intervals and p over runs and patients (Obuchowski and Rockette, Hillis); common runs are "
    "paired; a row with one run adds the variance over patients only"
)
OVER_PATIENTS = (
    f"one training run: BCa 95% intervals over patients ({RESAMPLES:,} resamples, {SMALLEST} patients or more); p by a "
    f"sign-flip test ({FLIPS:,} flips)"
)
ONE_RUN = "a row has one training run: its spread over runs is unknown, and another run may reverse the comparison"
HOLM = "p (Holm) is corrected over all comparisons of a column here, so it differs from p in the suite's tables"


def caveats(pairs: Sequence[Pair]) -> list[str]:
    """Return the lines on intervals, tests and single training runs that apply to the pairs."""
    several = {*map(has_runs, pairs)}
    single = any(len(row.runs) == 1 for pair in pairs for row in pair)
    return [OVER_RUNS] * (True in several) + [OVER_PATIENTS] * (False in several) + [HOLM] + [ONE_RUN] * single
