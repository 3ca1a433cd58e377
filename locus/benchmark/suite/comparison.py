"""Compare suites, networks or methods on the same cases: ``python -m benchmark.compare A B``.

``resolve``          the rows that a selector names: ``suite[/model][/method]``
``pairs_of``         the pairs of rows of two selections
``common_cases``     the cases that two rows have, whatever their suites, in the same order
``differences``      each compared column by finding, and its mean; ``corrected`` adds Holm's correction
``compare``          all pairs of two selections, as text and rows
``compare_folders``  two results folders, cell by cell

Only records and rows per case are read: no model, map or data set.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from locus.benchmark import records
from locus.benchmark.records import Record, cases
from locus.benchmark.report.case_columns import CaseColumns, CaseFolders, column_as_floats, read_columns
from locus.benchmark.report.grouping import Interval, Row, counted, grouped, main_value, run_names
from locus.benchmark.report.table import NOTHING, Table, as_text, number, signed
from locus.benchmark.scoring.statistics import resample
from locus.benchmark.scoring.statistics.mrmc import over_patients, with_draw_error
from locus.benchmark.scoring.statistics.rank_reversals import UnderRule, Values, two_rows
from locus.benchmark.scoring.statistics.resample import MIN_PATIENTS, CaseGroups, CaseIndex, holm, mean
from locus.benchmark.suite import cells
from locus.config import CompareConfig
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError, examples
from locus.core.files import csv_text, write_text
from locus.core.names import DRAW_ERROR, MAIN, MAIN_PROTOCOL, MEAN_PREFIX, UNRANKED_METHODS
from locus.core.types import Echo, FloatArray

Name = tuple[str, str]
"""Model and method."""
Pair = tuple[Row, Row]
"""Two rows that are compared, A and B."""


@dataclass(frozen=True)
class Selection:
    """The rows that a selector names: one side of a comparison."""

    selector: str
    """As typed."""
    folder: Path
    """The suite's folder of records and cases."""
    of_suite: tuple[Record, ...]
    """The scored records of ``single_box`` in the suite."""
    model: str | None = None
    """Selected model; None: all."""
    method: str | None = None
    """Selected method; None: all methods, without baselines and ``truth``."""

    @property
    def records(self) -> list[Record]:
        """The selected records, with baselines and ``truth``."""
        of_model = (r for r in self.of_suite if self.model in (None, r.cell.model_id, r.cell.model_of_any_seed))
        return [r for r in of_model if self.method in (None, r.cell.method)]

    @cached_property
    def rows(self) -> dict[Name, Row]:
        """Model and method -> its row, with all training runs by seed or the one that the selector names."""

        def name(record: Record) -> Name:
            cell = record.cell
            return (cell.model_id if self.model == cell.model_id else cell.model_of_any_seed), cell.method

        ranked = (r for r in self.records if self.method is not None or r.cell.method not in UNRANKED_METHODS)
        groups = grouped(sorted(ranked, key=lambda r: (*name(r), r.cell.seed or 0)), name)
        return {key: Row("method", key[1], tuple(runs), {}) for key, runs in groups.items()}


def resolve(selector: str, results: Path) -> Selection:
    """Return the rows of ``selector``, with its suite in ``results``.

    ``phantom`` selects all methods of a suite, ``phantom/custom-PCAM-128px-seed0`` one of its training runs,
    ``phantom/custom-PCAM-128px`` all its seeds, ``phantom/layercam`` one method on every model,
    ``phantom/custom-PCAM-128px-seed0/layercam`` one cell.

    Raises ``UnknownNameError`` with the nearest suite, model or method, ``DataError`` for a suite without scored cells.
    """
    suite, _, rest = selector.strip("/").partition("/")
    suites = [folder.name for folder in records.suites(results)]
    if suite not in suites:
        raise UnknownNameError("suite", suite, suites)
    if not (of_suite := _scored(results / suite)):
        reason = f"the suite {suite!r} has no scores of the protocol {MAIN_PROTOCOL!r} in {results / suite}"
        raise DataError(f"{reason}: run it first")
    return Selection(selector, results / suite, of_suite, *_parts(suite, rest, of_suite))


def resolve_first(selector: str, homes: Sequence[Path]) -> Selection:
    """Return the rows of ``selector`` in the first of the results folders ``homes`` that has them.

    If none has them, raises the error of ``resolve`` for the first.
    """
    errors: list[LocusError] = []
    for home in homes:
        try:
            return resolve(selector, home)
        except LocusError as error:
            errors.append(error)
    raise errors[0]


def _scored(folder: Path) -> tuple[Record, ...]:
    """Return the scored records of ``single_box``: of runs on the aligned grid, of external entries on any grid.

    Those fitted on another suite are left out: rows are compared at their cross-fitted thresholds.
    """
    scored = (r for r in records.load(folder) if r.scores and r.cell.protocol == MAIN_PROTOCOL)
    crossed = (record for record in scored if record.cell.fitted_on is None)
    of_runs = ("run", "aligned")
    return tuple(r for r in crossed if "external" in r.cell.recipe or (r.source, r.cell.alignment) == of_runs)


def _parts(suite: str, rest: str, of_suite: Sequence[Record]) -> tuple[str | None, str | None]:
    """Split the rest of a selector into model and method; a method may contain slashes, ``path/to/file.py:Class``."""
    pairs = {(model, r.cell.method) for r in of_suite for model in (r.cell.model_id, r.cell.model_of_any_seed)}
    models, methods = (sorted({pair[n] for pair in pairs}) for n in (0, 1))
    if rest in (*models, ""):
        return rest or None, None
    if rest in methods:
        return None, rest
    model, _, method = rest.partition("/")
    if model not in models:
        raise UnknownNameError(f"model or method of the suite {suite!r}:", model, [*models, *methods])
    if (model, method) not in pairs:
        raise UnknownNameError(f"method of {suite}/{model}:", method, sorted(m for of, m in pairs if of == model))
    return model, method


def pairs_of(first: Selection, second: Selection) -> tuple[list[Pair], tuple[int, int]]:
    """Return the pairs of two sides, by model and method, and the number of rows without a partner on each side.

    A model or method that neither selector names must be equal on both sides. So two suites or models are compared
    method by method, and two methods model by model. A method and a suite are compared on each model, with each other
    method. Of two rows with common training runs, only these are compared.

    Raises ``BadValueError`` if there are no pairs.
    """
    one, other = first.rows, second.rows
    unnamed = [first.model is None and second.model is None, first.method is None and second.method is None]
    must_match = [n for n, is_unnamed in enumerate(unnamed) if is_unnamed]
    joined = [(a, b) for a in one for b in other if all(a[n] == b[n] for n in must_match)]
    pairs = [_on_common_runs(one[a], other[b]) for a, b in joined]
    distinct = [(a, b) for a, b in pairs if first.folder != second.folder or a.runs != b.runs]
    if not distinct:
        raise BadValueError(_nothing_to_compare(first, second, bool(pairs)))
    return distinct, (len(one) - len({a for a, _ in joined}), len(other) - len({b for _, b in joined}))


def _on_common_runs(first: Row, second: Row) -> Pair:
    """Restrict two rows to the training runs that both have, as two methods of one network do; all if there are none.

    Runs of two suites are equal if their weights are, whatever their names.
    """
    both = {*run_names(first.runs)} & {*run_names(second.runs)}

    def restricted(row: Row) -> Row:
        runs = (run for run, name in zip(row.runs, run_names(row.runs), strict=True) if name in both)
        return replace(row, runs=tuple(runs)) if both else row

    return restricted(first), restricted(second)


def _nothing_to_compare(first: Selection, second: Selection, themselves: bool) -> str:
    """Explain why nothing can be compared, and what to use instead."""
    if themselves:
        return f"{first.selector} and {second.selector} select the same cells: use different suites, models or methods"
    rows = "; ".join(f"{side.selector} has {examples(map('/'.join, side.rows), 4)}" for side in (first, second))
    return (
        f"{first.selector} and {second.selector} have no cells with the same model and method ({rows}): "
        "name a model or a method on both sides, as in suite/model or suite/model/method"
    )


COLUMNS = (MAIN, "hit@iou.1", "hit@iou.5", "hit@iobb.5", "mean_iou", "pointing")
"""Compared columns; the main column also by finding."""
MEANS = tuple(f"{MEAN_PREFIX}{name}" for name in COLUMNS)
"""Means over draws of the patient folds, which baselines have."""
READ = (*COLUMNS, *MEANS, "iou", "iobb")
"""Columns of the rows per case."""


@dataclass(frozen=True, eq=False)
class CommonCases:
    """The N cases that all training runs of two rows have, in the same order."""

    index: CaseIndex
    """Finding and patient of each case."""
    columns: dict[str, FloatArray]
    """Column -> (N, runs of A + runs of B), of ``COLUMNS`` that all cases have."""
    left_out: list[int]
    """Number of cases of each side that the other lacks."""


def _values(rows: CaseColumns, name: str) -> FloatArray:
    if name.startswith("hit@") or name == "pointing":
        return rows.hits(name)
    name = "iou" if name == "mean_iou" else name
    missing = np.full(len(rows.rows), np.nan)
    return column_as_floats(rows.rows, name) if name in rows.rows.column_names else missing


def common_cases(pair: Pair, folders: Sequence[Path]) -> CommonCases:
    """Read the rows per case of two rows; they may have no case in common. Raises ``DataError`` if rows are missing."""
    sides = [_read(row, folder) for row, folder in zip(pair, folders, strict=True)]
    one, other = (np.char.add(np.char.add(rows.images, "\t"), rows.findings)[rows.in_all] for rows in sides)
    _, *found = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    at = [rows.in_all[common] for rows, common in zip(sides, found, strict=True)]
    index = CaseIndex(sides[0].findings[at[0]], sides[0].patients[at[0]], np.zeros(len(at[0]), np.int64))
    keys, columns = [[record.key for record in row.runs] for row in pair], dict[str, FloatArray]()
    for name in COLUMNS:
        of_sides = zip(sides, keys, at, strict=True)
        columns[name] = np.concatenate(
            [rows.spread(of, _values(rows, name))[common] for rows, of, common in of_sides], 1
        )
    known = {name: values for name, values in columns.items() if np.isfinite(values).all()}
    return CommonCases(index, known, [len(rows.findings) - len(index) for rows in sides])


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


def differences(pair: Pair, both: CommonCases) -> list[Difference]:
    """Compare two rows on their common cases: each column by finding and its mean.

    Several training runs are compared over runs and patients, one run on each side over patients. The interval of the
    main column contains the variation between draws of the patient folds, as in the tables.
    """
    index, columns = both.index, dict[tuple[str, str], FloatArray]()
    if not len(index):
        return []
    for metric, values in both.columns.items():
        by_finding = index.groups(shared=False).items()
        columns |= {(metric, name): np.where(mask[:, None], values, np.nan) for name, mask in by_finding}
        columns[metric, "mean"] = values
    named, runs = {" ".join(key): of for key, of in columns.items()}, [run_names(row.runs) for row in pair]
    errors = {f"{MAIN} {name}": _draw_errors(pair, name) for metric, name in columns if metric == MAIN}
    compared = (two_rows if has_runs(pair) else _two_runs)(named, index, runs, errors)
    patients = len({*index.patients.tolist()})
    return [
        Difference(pair, finding, int(np.isfinite(of[:, 0]).sum()), patients, row._replace(rule=metric))
        for ((metric, finding), of), row in zip(columns.items(), compared, strict=True)
    ]


def has_runs(pair: Pair) -> bool:
    """Return whether a row has several training runs."""
    return max(len(row.runs) for row in pair) > 1


def _draw_errors(pair: Pair, finding: str) -> tuple[float, float]:
    """Return the standard errors of two rows from the draw of the patient folds; 0 for a row without draws."""
    of_rows = [[record.find(DRAW_ERROR, finding) for record in row.runs] for row in pair]
    values = [[0.0 if score is None else score.value or 0.0 for score in scores] for scores in of_rows]
    first, second = map(max, values)
    return first, second


def _two_runs(
    values: Values, index: CaseIndex, runs: Sequence[tuple[str, ...]], errors: Mapping[str, tuple[float, float]]
) -> list[UnderRule]:
    """Compare two single runs over patients, as the tables compare a row of one run with ``prior``.

    ``errors``: column -> standard errors of both sides from the draw of the patient folds.
    """
    columns = np.stack([*values.values()], -1)  # (N,2,columns)
    known, groups = np.isfinite(columns), CaseGroups.of(index.findings, index.patients)
    one, other = (groups.sums(np.where(known, columns, 0)[:, n], known[:, n].astype(float)) for n in (0, 1))
    drawn = [np.hypot(*errors.get(name, (0.0, 0.0))) for name in values]
    estimates = [with_draw_error(*of) for of in zip(over_patients(one, other), drawn, strict=True)]
    ends = [[v if np.isfinite(v) else None for v in (e.low, e.high, e.p)] for e in estimates]
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


def _cells(row: UnderRule) -> list[str]:
    """Format p with four decimals, the resolution of 10,000 sign flips; smaller values as a bound."""
    p = [NOTHING if p is None else f"{p:.4f}" if p >= 0.0001 else "< 0.0001" for p in (row.p, row.p_holm)]
    return [number(row.first), number(row.second), signed(Interval(row.difference, row.low, row.high)), *p]


OVER_RUNS = (
    "several training runs: intervals and p over runs and patients (Obuchowski and Rockette, Hillis); common runs are "
    "paired; a row with one run adds the variance over patients only"
)
OVER_PATIENTS = (
    f"one training run: BCa 95% intervals over patients ({resample.RESAMPLES:,} resamples, {MIN_PATIENTS} patients or "
    f"more); p by a sign-flip test ({resample.FLIPS:,} flips)"
)
ONE_RUN = "a row has one training run: its spread over runs is unknown, and another run may reverse the comparison"
HOLM = "p (Holm) is corrected over all comparisons of a column here, so it differs from p in the suite's tables"


def compare(first: Selection, second: Selection) -> tuple[str, list[Difference]]:
    """Return the differences of two sides as text, and as rows. Raises ``BadValueError`` without a common case."""
    pairs, unmatched = pairs_of(first, second)
    rows, lines = list[Difference](), list[str]()
    for pair in tqdm(pairs, desc="compare", unit="pair", leave=False, disable=None):
        both = common_cases(pair, (first.folder, second.folder))
        rows += (of_pair := differences(pair, both))
        if of_pair and any(both.left_out):
            counts = f"{both.left_out[0]} cases of A only, {both.left_out[1]} cases of B only"
            lines.append(f"{' / '.join(of_pair[0].words[:2])}: {len(both.index)} common cases; left out: {counts}")
    if not rows:
        names = f"{first.selector} and {second.selector}"
        raise BadValueError(f"{names} have no common case: they were scored on different images or findings")
    lines += [*_about(first, second, pairs, unmatched, {row.patients for row in rows}), ""]
    rows = corrected(rows)
    return "\n".join([*lines, *map(as_text, tables(rows))]).rstrip(), rows


def _about(
    first: Selection, second: Selection, pairs: Sequence[Pair], unmatched: tuple[int, int], patients: Set[int]
) -> list[str]:
    """Describe both sides, rows without a partner, different data, patients, seeds, intervals and tests."""
    lines = [f"{letter} = {side.selector}" for letter, side in zip("AB", (first, second), strict=True)]
    alone = zip("AB", unmatched, strict=True)
    lines += [f"rows of {side} without a partner in the other: {count}" for side, count in alone if count]
    if other := _other_data(pairs):
        lines.append(f"the data sets of A and B differ in {', '.join(other)}")
    seeds = [", ".join(map(str, sorted({r.cell.seed or 0 for pair in pairs for r in pair[n].runs}))) for n in (0, 1)]
    of_seeds = seeds[0] if seeds[0] == seeds[1] else f"{seeds[0]} (A), {seeds[1]} (B)"
    span = " to ".join(map(str, sorted({min(patients), max(patients)})))
    lines.append(f"patients: {span}; training seeds: {of_seeds}; `mean` is over findings")
    several, single = {*map(has_runs, pairs)}, any(len(row.runs) == 1 for pair in pairs for row in pair)
    lines += [OVER_RUNS] * (True in several) + [OVER_PATIENTS] * (False in several)
    return [*lines, HOLM, *[ONE_RUN] * single]


IGNORED_FIELDS = ("img_size", "counts", "images", "images_without_file", "boxed_images", "partition")
"""Fields of a data set's description that do not concern the content of the images."""


def _other_data(pairs: Sequence[Pair]) -> list[str]:
    """Return the fields of the data set's description, without counts and sizes, that differ within a pair."""
    sides = [[{"dataset": row.cell.dataset, **row.runs[0].data} for row in pair] for pair in pairs]
    differ = {name for a, b in sides for name in {*a, *b} if a.get(name) != b.get(name)}
    return sorted(differ.difference(IGNORED_FIELDS))


def run(config: CompareConfig, echo: Echo) -> int:
    """Compare the two sides of ``config.pair`` and ``echo`` the tables; always returns 0.

    Raises ``LocusError`` if a selector has no cells or the sides have no common case.
    """
    if len(config.pair) != 2:
        advice = "each is suite[/model][/method] or a results folder"
        raise BadValueError(f"compare requires two arguments, A and B, but got {len(config.pair)}: {advice}")
    if any(map(_has_records, config.pair)):
        if config.output is not None:
            raise BadValueError("--output requires suites, models or methods: leave it out for two results folders")
        echo(compare_folders(*config.pair))
        return 0
    homes = [Path(config.results)] if config.results else [records.published(), cells.UNPUBLISHED]
    first, second = (resolve_first(word, homes) for word in config.pair)
    text, rows = compare(first, second)
    echo(text)
    if config.output is not None:
        write_text(config.output, csv_text([rows[0].line, *(row.line.values() for row in rows)]))
        echo(f"all {len(rows)} comparisons: {config.output}")
    return 0


def _has_records(word: str) -> bool:
    """Whether ``word`` is the path of a suite's results, such as ``results/demo``; a name alone is a suite."""
    return "/" in word and Path(word) in records.suites(Path(word).parent)


def compare_folders(first: str, second: str) -> str:
    """Say in one line how many cells of two results folders are equal, and the largest difference of ``MAIN``.

    Only scores that both have are compared. Raises ``BadValueError`` if a folder has no records, or without a common
    cell.
    """
    for word in (first, second):
        if not _has_records(word):
            raise BadValueError(f"{word} has no records: use two folders with results of one suite, or name two suites")
    one, other = ({r.key: r for r in records.load(Path(word)) if r.scores} for word in (first, second))
    both = [(one[key], other[key]) for key in one if key in other]
    if not both:
        raise BadValueError(f"{first} and {second} have no common cell: they have results of different suites")
    equal = sum(_are_equal(*pair) for pair in both)
    text = f"{equal} of {counted(len(both), 'common cell')} are equal"
    if alone := len(one) + len(other) - 2 * len(both):
        text += f" (only one folder has {counted(alone, 'other cell')})"
    values = [(main_value(a), main_value(b), a.cell) for a, b in both if a.cell.protocol == MAIN_PROTOCOL]
    if gaps := [(abs(a - b), cell) for a, b, cell in values if a is not None and b is not None]:
        gap, cell = max(gaps, key=lambda pair: pair[0])
        text += f"; the largest difference of {MAIN} is {gap:.3g}" + f" ({cell.method}, {cell.model_id})" * bool(gap)
    return text


def _are_equal(one: Record, other: Record) -> bool:
    first, second = ({(s.finding, s.metric, s.threshold_source): s.value for s in r.scores} for r in (one, other))
    return all(first[name] == second[name] for name in first.keys() & second.keys())
