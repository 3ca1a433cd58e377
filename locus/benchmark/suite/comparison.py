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
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from locus.benchmark import records
from locus.benchmark.baselines import is_baseline
from locus.benchmark.records import Record, cases
from locus.benchmark.report.case_columns import (
    CaseColumns,
    CaseFolders,
    column_as_floats,
    read_columns,
)
from locus.benchmark.report.formats import number, p_value
from locus.benchmark.report.grouping import Row, counted, grouped, main_value, run_names
from locus.benchmark.report.table import Table, as_text
from locus.benchmark.suite import folders
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError, examples
from locus.core.files import csv_text, write_text
from locus.core.names import DRAW_ERROR, MAIN, MAIN_PROTOCOL, MEAN_PREFIX
from locus.core.scores import Estimate
from locus.core.types import Echo, FloatArray
from locus.scoring.statistics.mrmc import over_patients, with_draw_error
from locus.scoring.statistics.rank_reversals import UnderRule, Values, two_rows
from locus.scoring.statistics.resample import (
    FLIPS,
    MIN_PATIENTS,
    RESAMPLES,
    CaseGroups,
    CaseIndex,
    holm,
    mean,
)

COLUMNS = (MAIN, "hit@iou.1", "hit@iou.5", "hit@iobb.5", "mean_iou", "pointing")
"""Compared columns; the main column also by finding."""
COLUMNS_OF_CASES = (*COLUMNS, *(f"{MEAN_PREFIX}{name}" for name in COLUMNS), "iou", "iobb")
"""Columns that are read: those compared, their means over draws of the patient folds, and overlaps."""
HEADER = ("A", "B", "A − B [95%]", "p", "p (Holm)", "n")
IGNORED_FIELDS = (
    "img_size",
    "counts",
    "images",
    "images_without_file",
    "boxed_images",
    "partition",
)
"""Fields of a data set's description that do not concern the content of the images."""

OVER_RUNS = (
    "several training runs: intervals and p over runs and patients (Obuchowski and Rockette, Hillis); common runs are "
    "paired; a row with one run adds the variance over patients only"
)
OVER_PATIENTS = (
    f"one training run: BCa 95% intervals over patients ({RESAMPLES:,} resamples, {MIN_PATIENTS} patients or "
    f"more); p by a sign-flip test ({FLIPS:,} flips)"
)
ONE_RUN = "a row has one training run: its spread over runs is unknown, and another run may reverse the comparison"
HOLM = "p (Holm) is corrected over all comparisons of a column here, so it differs from p in the suite's tables"

Pair = tuple[Row, Row]
"""Two rows that are compared, A and B."""


class RowName(NamedTuple):
    """Name of a row in a selection."""

    model: str
    method: str


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The rows that a selector names: one side of a comparison."""

    selector: str
    """As typed."""
    folder: Path
    """The suite's folder of records and cases."""
    suite_records: tuple[Record, ...]
    """The scored records of ``single_box`` in the suite."""
    model: str | None = None
    """Selected model; None: all."""
    method: str | None = None
    """Selected method; None: all methods, without baselines and ``truth``."""

    @cached_property
    def rows(self) -> dict[RowName, Row]:
        """Name -> row, with all training runs by seed or the one that the selector names."""
        selected = [record for record in self.suite_records if self._selects(record)]
        selected.sort(key=lambda record: (*self._row_name(record), record.cell.seed or 0))
        groups = grouped(selected, self._row_name)
        return {name: Row("method", name.method, tuple(runs), {}) for name, runs in groups.items()}

    def _selects(self, record: Record) -> bool:
        cell = record.cell
        if self.model not in (None, cell.model_id, cell.model_of_any_seed):
            return False
        if self.method is None:
            return not is_baseline(cell.method)
        return cell.method == self.method

    def _row_name(self, record: Record) -> RowName:
        cell = record.cell
        names_one_run = self.model == cell.model_id
        return RowName(cell.model_id if names_one_run else cell.model_of_any_seed, cell.method)


def resolve(selector: str, results: Path) -> Selection:
    """Return the rows of ``selector``, with its suite in ``results``.

    ``phantom`` selects all methods of a suite, ``phantom/custom-PCAM-128px-seed0`` one of its training runs,
    ``phantom/custom-PCAM-128px`` all its seeds, ``phantom/layercam`` one method on every model,
    ``phantom/custom-PCAM-128px-seed0/layercam`` one cell.

    Raises ``UnknownNameError`` with the nearest suite, model or method, ``DataError`` for a suite without scored cells.
    """
    suite_name, _, model_and_method = selector.strip("/").partition("/")
    suite_names = [folder.name for folder in records.suites(results)]
    if suite_name not in suite_names:
        raise UnknownNameError("suite", suite_name, suite_names)
    folder = results / suite_name
    suite_records = tuple(record for record in records.load(folder) if _is_comparable(record))
    if not suite_records:
        reason = (
            f"the suite {suite_name!r} has no scores of the protocol {MAIN_PROTOCOL!r} in {folder}"
        )
        raise DataError(f"{reason}: run it first")
    model, method = _model_and_method(suite_name, model_and_method, suite_records)
    return Selection(
        selector=selector, folder=folder, suite_records=suite_records, model=model, method=method
    )


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


def _is_comparable(record: Record) -> bool:
    """Whether a record has scores of ``single_box``, of a run on the aligned grid or an external entry on any grid.

    Those fitted on another suite are left out: rows are compared at their cross-fitted thresholds.
    """
    cell = record.cell
    if not record.scores or cell.protocol != MAIN_PROTOCOL or cell.fitted_on is not None:
        return False
    return "external" in cell.recipe or (record.source == "run" and cell.alignment == "aligned")


def _model_and_method(
    suite_name: str, selector: str, suite_records: Sequence[Record]
) -> tuple[str | None, str | None]:
    """Split a ``selector`` without its suite into model and method, which may be ``path/to/file.py:Class``."""
    if not selector:
        return None, None
    methods_of: dict[str, set[str]] = {}
    for record in suite_records:
        for model in (record.cell.model_id, record.cell.model_of_any_seed):
            methods_of.setdefault(model, set()).add(record.cell.method)
    if selector in methods_of:
        return selector, None
    methods = {record.cell.method for record in suite_records}
    if selector in methods:
        return None, selector
    model, _, method = selector.partition("/")
    if model not in methods_of:
        names = [*sorted(methods_of), *sorted(methods)]
        raise UnknownNameError(f"model or method of the suite {suite_name!r}:", model, names)
    if method not in methods_of[model]:
        raise UnknownNameError(
            f"method of {suite_name}/{model}:", method, sorted(methods_of[model])
        )
    return model, method


def pairs_of(first: Selection, second: Selection) -> tuple[list[Pair], tuple[int, int]]:
    """Return the pairs of two sides, by model and method, and the number of rows without a partner on each side.

    A model or method that neither selector names must be equal on both sides. So two suites or models are compared
    method by method, and two methods model by model. A method and a suite are compared on each model, with each other
    method. Of two rows with common training runs, only these are compared.

    Raises ``BadValueError`` if there are no pairs.
    """
    any_model = first.model is not None or second.model is not None
    any_method = first.method is not None or second.method is not None
    partners = [
        (left, right)
        for left, right in product(first.rows, second.rows)
        if (any_model or left.model == right.model) and (any_method or left.method == right.method)
    ]
    pairs = []
    for left, right in partners:
        left_row, right_row = _on_common_runs(first.rows[left], second.rows[right])
        if first.folder != second.folder or left_row.runs != right_row.runs:
            pairs.append((left_row, right_row))
    if not pairs:
        raise BadValueError(_nothing_to_compare(first, second, are_equal=bool(partners)))
    left_partners = {left for left, _ in partners}
    right_partners = {right for _, right in partners}
    return pairs, (len(first.rows) - len(left_partners), len(second.rows) - len(right_partners))


def _on_common_runs(left: Row, right: Row) -> Pair:
    """Restrict two rows to the training runs that both have, as two methods of one network do; all if there are none.

    Runs of two suites are equal if their weights are, whatever their names.
    """
    common = {*run_names(left.runs)} & {*run_names(right.runs)}
    if not common:
        return left, right
    return _restrict(left, common), _restrict(right, common)


def _restrict(row: Row, names: Set[str]) -> Row:
    """Return a row with only those of its training runs that have one of the ``names``."""
    named_runs = zip(row.runs, run_names(row.runs), strict=True)
    return replace(row, runs=tuple(run for run, name in named_runs if name in names))


def _nothing_to_compare(first: Selection, second: Selection, are_equal: bool) -> str:
    """Explain why nothing can be compared, and what to use instead."""
    if are_equal:
        return f"{first.selector} and {second.selector} select the same cells: use different suites, models or methods"
    first_rows = examples(map("/".join, first.rows), 4)
    second_rows = examples(map("/".join, second.rows), 4)
    return (
        f"{first.selector} and {second.selector} have no cells with the same model and method "
        f"({first.selector} has {first_rows}; {second.selector} has {second_rows}): "
        "name a model or a method on both sides, as in suite/model or suite/model/method"
    )


@dataclass(frozen=True, eq=False)
class CommonCases:
    """The N cases that all training runs of two rows have, in the same order."""

    index: CaseIndex
    """Finding and patient of each case."""
    columns: dict[str, FloatArray]
    """Column -> (N, runs of A + runs of B), of ``COLUMNS`` that all cases have."""
    left_out: tuple[int, int]
    """Number of cases of each side that the other lacks."""


def common_cases(pair: Pair, folders: tuple[Path, Path]) -> CommonCases:
    """Read the rows per case of two rows; they may have no case in common. Raises ``DataError`` if rows are missing."""
    left, right = pair
    left_cases = _read_cases(left, folders[0])
    right_cases = _read_cases(right, folders[1])
    _, left_common, right_common = np.intersect1d(
        _case_names(left_cases), _case_names(right_cases), assume_unique=True, return_indices=True
    )
    left_index = left_cases.in_all[left_common]
    right_index = right_cases.in_all[right_common]
    columns = {}
    for name in COLUMNS:
        left_values = _column(left_cases, left, name)[left_index]
        right_values = _column(right_cases, right, name)[right_index]
        values = np.concatenate([left_values, right_values], axis=1)
        if np.isfinite(values).all():
            columns[name] = values
    index = CaseIndex(
        findings=left_cases.findings[left_index],
        patients=left_cases.patients[left_index],
        trainings=np.zeros(len(left_index), np.int64),
    )
    left_out = (len(left_cases.findings) - len(index), len(right_cases.findings) - len(index))
    return CommonCases(index, columns, left_out)


def _read_cases(row: Row, folder: Path) -> CaseColumns:
    """Read the rows per case of all training runs of a row. Raises ``DataError`` if a run has none."""
    case_columns = read_columns(row.runs, CaseFolders(folder), COLUMNS_OF_CASES)
    for record in row.runs:
        if record.key not in case_columns.columns:
            raise DataError(
                f"no rows per case of {record.cell.model_id}, {row.name} in {folder}: {cases.RUN_AGAIN}"
            )
    return case_columns


def _case_names(case_columns: CaseColumns) -> NDArray[np.str_]:
    """Return a name of image and finding for each case that all training runs have."""
    images = np.char.add(case_columns.images, "\t")
    return np.char.add(images, case_columns.findings)[case_columns.in_all]


def _column(case_columns: CaseColumns, row: Row, name: str) -> FloatArray:
    """Return a column as (cases, runs of the row); nan where it is unknown."""
    stored_name = "iou" if name == "mean_iou" else name
    if name.startswith("hit@") or name == "pointing":
        values = case_columns.hits(name)
    elif stored_name in case_columns.rows.column_names:
        values = column_as_floats(case_columns.rows, stored_name)
    else:
        values = np.full(len(case_columns.rows), np.nan)
    return case_columns.spread([record.key for record in row.runs], values)


@dataclass(frozen=True, kw_only=True)
class PairDifference:
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
        left, right = self.pair
        model = _one_or_both(left.cell.model_id, right.cell.model_id)
        method = _one_or_both(left.name, right.name)
        return model, method, f"{len(left.runs)} and {len(right.runs)}"

    @property
    def line(self) -> dict[str, object]:
        """Its line of a CSV file."""
        left, right = self.pair
        values = self.values._asdict()
        return {
            "model_A": left.cell.model_id,
            "method_A": left.name,
            "runs_A": len(left.runs),
            "model_B": right.cell.model_id,
            "method_B": right.name,
            "runs_B": len(right.runs),
            "metric": values.pop("rule"),
            "finding": self.finding,
            "n": self.n,
            "patients": self.patients,
            **values,
        }


def _one_or_both(left: str, right: str) -> str:
    return left if left == right else f"{left} − {right}"


def differences(pair: Pair, both: CommonCases) -> list[PairDifference]:
    """Compare two rows on their common cases: each column by finding and its mean.

    Several training runs are compared over runs and patients, one run on each side over patients. The interval of the
    main column contains the variation between draws of the patient folds, as in the tables.
    """
    index = both.index
    if not len(index):
        return []
    columns: dict[tuple[str, str], FloatArray] = {}
    for metric, values in both.columns.items():
        for finding, mask in index.groups(shared=False).items():
            columns[metric, finding] = np.where(mask[:, None], values, np.nan)
        columns[metric, "mean"] = values
    values_by_column = {
        f"{metric} {finding}": values for (metric, finding), values in columns.items()
    }
    left, right = pair
    errors = {}
    for metric, finding in columns:
        if metric == MAIN:
            errors[f"{MAIN} {finding}"] = (_draw_error(left, finding), _draw_error(right, finding))
    if has_runs(pair):
        compared = two_rows(
            values_by_column, index, [run_names(left.runs), run_names(right.runs)], errors
        )
    else:
        compared = _two_runs(values_by_column, index, errors)
    patient_count = len(np.unique(index.patients))
    rows = []
    for (metric, finding), under_rule in zip(columns, compared, strict=True):
        case_count = int(np.isfinite(columns[metric, finding][:, 0]).sum())
        row = PairDifference(
            pair=pair,
            finding=finding,
            n=case_count,
            patients=patient_count,
            values=under_rule._replace(rule=metric),
        )
        rows.append(row)
    return rows


def has_runs(pair: Pair) -> bool:
    """Return whether a row has several training runs."""
    return max(len(row.runs) for row in pair) > 1


def _draw_error(row: Row, finding: str) -> float:
    """Return the largest standard error of a row from the draw of the patient folds; 0 for a row without draws."""
    scores = [record.find(DRAW_ERROR, finding) for record in row.runs]
    return max(0.0 if score is None else score.value or 0.0 for score in scores)


def _two_runs(
    values: Values, index: CaseIndex, errors: Mapping[str, tuple[float, float]]
) -> list[UnderRule]:
    """Compare two single runs over patients, as the tables compare a row of one run with ``prior``.

    ``errors``: column -> standard errors of both sides from the draw of the patient folds.
    """
    columns = np.stack([*values.values()], axis=-1)  # (N, 2, columns)
    is_known = np.isfinite(columns)
    numerators = np.where(is_known, columns, 0)
    denominators = is_known.astype(float)
    groups = CaseGroups.of(index.findings, index.patients)
    left = groups.sums(numerators[:, 0], denominators[:, 0])
    right = groups.sums(numerators[:, 1], denominators[:, 1])
    left_means = mean(left.value, 0).tolist()
    right_means = mean(right.value, 0).tolist()
    rows = []
    estimates = over_patients(left, right)
    for name, left_mean, right_mean, estimate in zip(
        values, left_means, right_means, estimates, strict=True
    ):
        widened = with_draw_error(estimate, np.hypot(*errors.get(name, (0.0, 0.0))))
        row = UnderRule(
            rule=name,
            first=left_mean,
            second=right_mean,
            difference=left_mean - right_mean,
            low=_finite(widened.low),
            high=_finite(widened.high),
            p=_finite(widened.p),
            p_holm=None,
        )
        rows.append(row)
    return rows


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def corrected(rows: Sequence[PairDifference]) -> list[PairDifference]:
    """Return the rows, column by column, with p corrected by Holm over all pairs, findings and means of a column."""
    corrected_rows = []
    for column_rows in grouped(rows, lambda row: row.values.rule).values():
        p_values = np.array([row.values.p for row in column_rows], dtype=np.float64)
        for row, adjusted in zip(column_rows, holm(p_values).tolist(), strict=True):
            p_holm = None if row.values.p is None else adjusted
            corrected_rows.append(replace(row, values=row.values._replace(p_holm=p_holm)))
    return corrected_rows


def tables(rows: Sequence[PairDifference]) -> list[Table]:
    """Return the main column by finding, and the means of all columns over findings."""
    by_finding = [(row, row.finding) for row in rows if row.values.rule == MAIN]
    means = [(row, row.values.rule) for row in rows if row.finding == "mean"]
    return [
        _table(f"{MAIN} by finding", "finding", by_finding),
        _table("mean over findings", "column", means),
    ]


def _table(title: str, heading: str, named_rows: Sequence[tuple[PairDifference, str]]) -> Table:
    """Build a table. Model, method and numbers of training runs are columns only if they differ between rows."""
    texts = np.array([row.words for row, _ in named_rows])
    varies = (texts != texts[0]).any(axis=0)
    headings = np.array(["model", "method", "runs of A and B"])[varies]
    lines = []
    for row, name in named_rows:
        lines.append((*np.array(row.words)[varies], name, *_cells(row.values), str(row.n)))
    return Table(title, "", (*headings, heading, *HEADER), tuple(lines))


def _cells(row: UnderRule) -> list[str]:
    """Format both values, their difference and its p-values."""
    return [
        number(row.first, leading_zero=True),
        number(row.second, leading_zero=True),
        number(Estimate(row.difference, row.low, row.high), sign="all", leading_zero=True),
        p_value(row.p, digits=4, leading_zero=True),
        p_value(row.p_holm, digits=4, leading_zero=True),
    ]


def compare(first: Selection, second: Selection) -> tuple[str, list[PairDifference]]:
    """Return the differences of two sides as text, and as rows. Raises ``BadValueError`` without a common case."""
    pairs, unmatched = pairs_of(first, second)
    rows: list[PairDifference] = []
    lines: list[str] = []
    for pair in tqdm(pairs, desc="compare", unit="pair", leave=False, disable=None):
        both = common_cases(pair, (first.folder, second.folder))
        pair_rows = differences(pair, both)
        rows += pair_rows
        if pair_rows and any(both.left_out):
            model, method, _ = pair_rows[0].words
            counts = f"{both.left_out[0]} cases of A only, {both.left_out[1]} cases of B only"
            lines.append(f"{model} / {method}: {len(both.index)} common cases; left out: {counts}")
    if not rows:
        names = f"{first.selector} and {second.selector}"
        raise BadValueError(
            f"{names} have no common case: they were scored on different images or findings"
        )
    lines += [f"A = {first.selector}", f"B = {second.selector}"]
    lines += _about(pairs, unmatched, {row.patients for row in rows})
    rows = corrected(rows)
    return "\n".join([*lines, "", *map(as_text, tables(rows))]).rstrip(), rows


def _about(pairs: Sequence[Pair], unmatched: tuple[int, int], patients: Set[int]) -> list[str]:
    """Describe rows without a partner, different data, patients, seeds, intervals and tests."""
    lines = []
    for letter, count in zip("AB", unmatched, strict=True):
        if count:
            lines.append(f"rows of {letter} without a partner in the other: {count}")
    different = _different_fields(pairs)
    if different:
        lines.append(f"the data sets of A and B differ in {', '.join(different)}")
    patient_range = " to ".join(map(str, sorted({min(patients), max(patients)})))
    lines.append(
        f"patients: {patient_range}; training seeds: {_seeds(pairs)}; `mean` is over findings"
    )
    if any(map(has_runs, pairs)):
        lines.append(OVER_RUNS)
    if not all(map(has_runs, pairs)):
        lines.append(OVER_PATIENTS)
    lines.append(HOLM)
    if any(len(row.runs) == 1 for pair in pairs for row in pair):
        lines.append(ONE_RUN)
    return lines


def _seeds(pairs: Sequence[Pair]) -> str:
    """Return the training seeds of both sides; of each side if they differ."""
    sides = []
    for rows in zip(*pairs, strict=True):
        seeds = {record.cell.seed or 0 for row in rows for record in row.runs}
        sides.append(", ".join(map(str, sorted(seeds))))
    left, right = sides
    return left if left == right else f"{left} (A), {right} (B)"


def _different_fields(pairs: Sequence[Pair]) -> list[str]:
    """Return the fields of the data set's description, without counts and sizes, that differ within a pair."""
    different = set()
    for left_row, right_row in pairs:
        left = _description(left_row)
        right = _description(right_row)
        fields = left.keys() | right.keys()
        different |= {field for field in fields if left.get(field) != right.get(field)}
    return sorted(different.difference(IGNORED_FIELDS))


def _description(row: Row) -> dict[str, object]:
    return {"dataset": row.cell.dataset, **row.runs[0].data}


def run(selectors: Sequence[str], results: str | None, output: str | None, echo: Echo) -> None:
    """Compare two sides and ``echo`` the tables.

    Args:
        selectors: two selectors, or two results folders.
        results: results folder with the suites; None: the published one, then that of unpublished runs.
        output: CSV file for all comparisons; None: no file.
        echo: prints text.

    Raises:
        LocusError: not two selectors, a selector without cells, or sides without a common case.
    """
    if len(selectors) != 2:
        advice = "each is suite[/model][/method] or a results folder"
        raise BadValueError(
            f"compare requires two arguments, A and B, but got {len(selectors)}: {advice}"
        )
    first_selector, second_selector = selectors
    if _has_records(first_selector) or _has_records(second_selector):
        if output is not None:
            raise BadValueError(
                "--output requires suites, models or methods: leave it out for two results folders"
            )
        echo(compare_folders(first_selector, second_selector))
        return
    homes = [Path(results)] if results else [records.published(), folders.UNPUBLISHED]
    first = resolve_first(first_selector, homes)
    second = resolve_first(second_selector, homes)
    text, rows = compare(first, second)
    echo(text)
    if output is not None:
        write_text(output, csv_text([rows[0].line, *(row.line.values() for row in rows)]))
        echo(f"all {len(rows)} comparisons: {output}")


def _has_records(selector: str) -> bool:
    """Whether a selector is the path of a suite's results, such as ``results/demo``; a name alone is a suite."""
    return "/" in selector and Path(selector) in records.suites(Path(selector).parent)


def compare_folders(first: str, second: str) -> str:
    """Say in one line how many cells of two results folders are equal, and the largest difference of ``MAIN``.

    Only scores that both have are compared. Raises ``BadValueError`` if a folder has no records, or without a common
    cell.
    """
    left_records = _records_by_key(first)
    right_records = _records_by_key(second)
    common = left_records.keys() & right_records.keys()
    if not common:
        raise BadValueError(
            f"{first} and {second} have no common cell: they have results of different suites"
        )
    # In the order of the first folder: of several equal differences, the first cell is named.
    pairs = [(record, right_records[key]) for key, record in left_records.items() if key in common]
    equal_count = sum(_are_equal(left, right) for left, right in pairs)
    text = f"{equal_count} of {counted(len(common), 'common cell')} are equal"
    alone_count = len(left_records.keys() ^ right_records.keys())
    if alone_count:
        text += f" (only one folder has {counted(alone_count, 'other cell')})"
    gaps = []
    for left, right in pairs:
        if left.cell.protocol != MAIN_PROTOCOL:
            continue
        left_value = main_value(left)
        right_value = main_value(right)
        if left_value is not None and right_value is not None:
            gaps.append((abs(left_value - right_value), left.cell))
    if not gaps:
        return text
    gap, cell = max(gaps, key=lambda gap_and_cell: gap_and_cell[0])
    text += f"; the largest difference of {MAIN} is {gap:.3g}"
    if gap:
        text += f" ({cell.method}, {cell.model_id})"
    return text


def _records_by_key(folder: str) -> dict[str, Record]:
    """Return the scored records of a results folder by key. Raises ``BadValueError`` if it has none."""
    if not _has_records(folder):
        raise BadValueError(
            f"{folder} has no records: use two folders with results of one suite, or name two suites"
        )
    return {record.key: record for record in records.load(Path(folder)) if record.scores}


def _are_equal(left: Record, right: Record) -> bool:
    """Whether the scores that both records have are equal."""
    left_values = _values_by_name(left)
    right_values = _values_by_name(right)
    common = left_values.keys() & right_values.keys()
    return all(left_values[name] == right_values[name] for name in common)


def _values_by_name(record: Record) -> dict[tuple[str, str, str], float | None]:
    return {
        (score.finding, score.metric, score.threshold_source): score.value
        for score in record.scores
    }
