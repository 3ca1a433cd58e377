"""Compare two suites, models or methods on the same cases: ``python -m benchmark.compare A B``, and ``--against``.

A and B are selectors, ``suite[/model][/method]`` or the path of a checkpoint or run folder: see ``resolve``. Their
cells are matched by ``pairs_of`` and compared by ``compare_selections``, as tables on the terminal and optionally a CSV
file. Two results folders are compared cell by cell (``compare_folders``). ``compare_with_row`` compares an external
entry with a row of a suite (``--against suite/model/method``), paired on their common cases.

Only records and per-case rows are read: no model, map or data set. The statistics are in
``locus.benchmark.scoring.statistics.paired``.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from locus.benchmark import records
from locus.benchmark.records import Record, cases
from locus.benchmark.report import select
from locus.benchmark.report.case_columns import CommonCases, columns, common_cases, read_cases
from locus.benchmark.report.select import counted, main_value, one_alignment, scored
from locus.benchmark.report.table import NOTHING, Table, as_text, number
from locus.benchmark.scoring.rules import of_locus
from locus.benchmark.scoring.statistics.contradictions import UnderRule, two_rows
from locus.benchmark.scoring.statistics.paired import PairedDifference, compare, compare_over_trainings, corrected
from locus.benchmark.scoring.statistics.resample import FLIPS, RESAMPLES, SMALLEST
from locus.benchmark.suite import cells
from locus.config import CompareConfig
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError, examples
from locus.core.files import csv_text, write_text
from locus.core.names import MAIN, MAIN_PROTOCOL, UNRANKED_METHODS, UPPER_BOUND
from locus.core.types import Echo, FloatArray, Sample


@dataclass(frozen=True)
class Selection:
    """The cells of a selector: one side of a comparison."""

    selector: str
    """As typed."""
    folder: Path
    """The suite's folder of records and cases."""
    model: str | None
    """Selected model; None: all."""
    method: str | None
    """Selected method; None: all."""
    records: tuple[Record, ...]
    """Its scored records of ``locus`` on the aligned grid, on all images or on a part."""


def resolve(selector: str, results: Path) -> Selection:
    """Return the cells of ``selector``, with its suite in ``results``.

    ``phantom`` selects all scored cells of a suite, ``phantom/custom-PCAM-128px-seed0`` one of its training runs,
    ``phantom/custom-PCAM-128px`` all its seeds, ``phantom/layercam`` one method on every model,
    ``phantom/custom-PCAM-128px-seed0/layercam`` one cell. A checkpoint selects the model of the suite whose records
    contain the digest of its weights.

    Raises ``UnknownNameError`` with the nearest suite, model or method, ``BadValueError`` for a checkpoint of several
    suites, and ``DataError`` if a suite has no scored cell or no record has the checkpoint.
    """
    if is_checkpoint(selector):
        return _of_checkpoint(selector, results)
    suite, _, rest = selector.strip("/").partition("/")
    suites = [folder.name for folder in records.suites(results)]
    if suite not in suites:
        raise UnknownNameError("suite", suite, suites, also="the path of a checkpoint or run folder")
    folder = results / suite
    if not (all_records := _comparable_records(folder)):
        reason = f"the suite {suite!r} has no scores of the protocol {MAIN_PROTOCOL!r} in {folder}"
        raise DataError(f"{reason}: run it first")
    return _select(selector, folder, all_records, *_parts(suite, rest, all_records))


def resolve_first(selector: str, homes: Sequence[Path]) -> Selection:
    """Return the cells of ``selector`` in the first of the results folders ``homes`` that has them.

    If none has them, raises the error of ``resolve`` for the first.
    """
    errors: list[LocusError] = []
    for home in homes:
        try:
            return resolve(selector, home)
        except LocusError as error:
            errors.append(error)
    raise errors[0]


def _comparable_records(folder: Path) -> list[Record]:
    """Return the records with scores of ``locus``: of runs on the aligned grid, of external entries on any grid."""
    scored = (r for r in records.load(folder) if r.scores and r.cell.protocol == MAIN_PROTOCOL)
    return [r for r in scored if "external" in r.cell.recipe or (r.source, r.cell.alignment) == ("run", "aligned")]


def _parts(suite: str, rest: str, all_records: Sequence[Record]) -> tuple[str | None, str | None]:
    """Split the rest of a selector into model and method; a method may contain slashes, ``path/to/file.py:Class``."""
    models = sorted({name for r in all_records for name in (r.cell.model_id, r.cell.model_of_any_seed)})
    methods = sorted({r.cell.method for r in all_records})
    if rest in (*models, ""):
        return rest or None, None
    if rest in methods:
        return None, rest
    model, _, method = rest.partition("/")
    if model not in models:
        raise UnknownNameError(f"model or method of the suite {suite!r}:", model, [*models, *methods])
    on_model = sorted({r.cell.method for r in all_records if model in (r.cell.model_id, r.cell.model_of_any_seed)})
    if method not in on_model:
        raise UnknownNameError(f"method of {suite}/{model}:", method, on_model)
    return model, method


def _select(
    selector: str, folder: Path, all_records: Sequence[Record], model: str | None, method: str | None
) -> Selection:
    of_model = (r for r in all_records if model in (None, r.cell.model_id, r.cell.model_of_any_seed))
    selected = (r for r in of_model if method in (None, r.cell.method))
    return Selection(selector, folder, model, method, tuple(selected))


def model_of(record: Record, named: str | None) -> str:
    """Return the model of a record in a comparison: the training run ``named`` in its selector, else all its seeds."""
    return record.cell.model_id if named == record.cell.model_id else record.cell.model_of_any_seed


def is_checkpoint(selector: str) -> bool:
    """Return whether a selector is the path of a checkpoint or of a run folder with one.

    >>> is_checkpoint("phantom//cam")
    False
    """
    path = Path(selector)
    return path.is_file() or (path / "best.ckpt").is_file()


def _of_checkpoint(selector: str, results: Path) -> Selection:
    """Select by checkpoint; if several suites share a training run, the one named in the path is used."""
    from locus.benchmark.training import load  # imports torch

    digest = load.checkpoint(selector).digest
    comparable = {folder: _comparable_records(folder) for folder in records.suites(results)}
    models = {(folder, r.cell.model_id) for folder in comparable for r in comparable[folder] if digest in r.checkpoints}
    named = {pair for pair in models if pair[0].name in Path(selector).resolve().parts} or models
    words = sorted(f"{folder.name}/{model}" for folder, model in named)
    if not words:
        raise DataError(
            f"no record in {results} was made with the checkpoint {selector} (digest {digest}): "
            "use a checkpoint of a suite that has run"
        )
    if len(words) > 1:
        advice = f"use one of {', '.join(words)}"
        raise BadValueError(f"{selector} belongs to several suites or models: {advice}")
    folder, model = named.pop()
    return _select(selector, folder, comparable[folder], model, None)


Name = tuple[str, str]
"""Model and method."""


@dataclass(frozen=True)
class Pair:
    """Two cells, or the cells of several training runs on each side."""

    sides: tuple[tuple[Record, ...], tuple[Record, ...]]
    """The training runs of each side, by seed."""

    @property
    def several(self) -> bool:
        """Whether a side has more than one training run."""
        return max(map(len, self.sides)) > 1

    @property
    def has_single_run(self) -> bool:
        """Whether a side has one training run, so that its intervals do not cover other runs of it."""
        return min(map(len, self.sides)) == 1

    @property
    def scope(self) -> str:
        """What the intervals cover."""
        several = [name for name, side in zip("AB", self.sides, strict=True) if len(side) > 1]
        return {0: "patients", 1: f"runs of {''.join(several)} and patients"}.get(len(several), "runs and patients")

    @property
    def names(self) -> tuple[str, str]:
        """Model and method; both names if they differ."""
        one, other = map(model_and_method, self.sides)
        return tuple(a if a == b else f"{a} − {b}" for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def largest_difference(one: Sequence[Record], other: Sequence[Record]) -> tuple[int, int, float]:
    """Return the numbers of equal and of common scores, and the largest difference, of the main score of equal cells.

    Only cells with a score on both sides count; the difference is 0 if there are none.
    """
    first, second = map(_main_scores, (one, other))
    gaps = [abs(first[key] - second[key]) for key in first if key in second]
    return gaps.count(0), len(gaps), max(gaps, default=0.0)


def _main_scores(records: Sequence[Record]) -> dict[str, float]:
    """Return key of the cell -> its main score."""
    scores = ((r.key, select.main_value(r)) for r in records if r.cell.protocol == MAIN_PROTOCOL)
    return {key: value for key, value in scores if value is not None}


def pairs_of(first: Selection, second: Selection) -> tuple[list[Pair], tuple[int, int]]:
    """Return the pairs of two sides, by model and method, and the number of cells without a partner on each side.

    A model or method that neither selector names must be equal on both sides. So two suites or models are compared
    method by method, and two methods model by model. A method and a suite are compared on each model, with each other
    method. Baselines and ``truth`` are included if a selector names them.

    Raises ``BadValueError`` if there are no pairs.
    """
    one, other = _records_by_name(first), _records_by_name(second)
    unnamed = [first.model is None and second.model is None, first.method is None and second.method is None]
    must_match = [n for n, is_unnamed in enumerate(unnamed) if is_unnamed]
    joined = [(a, b) for a in one for b in other if all(a[n] == b[n] for n in must_match)]
    pairs = [Pair(_common(*_on_same_images(one[a], other[b]))) for a, b in joined]
    distinct = [pair for pair in pairs if first.folder != second.folder or pair.sides[0] != pair.sides[1]]
    if not distinct:
        raise BadValueError(_nothing_to_compare(first, second, bool(pairs)))
    return distinct, (len(one) - len({a for a, _ in joined}), len(other) - len({b for _, b in joined}))


def _records_by_name(side: Selection) -> dict[Name, list[tuple[Record, ...]]]:
    """Return model and method -> the records of all training runs, on all images first, then on parts."""
    by_name: dict[Name, dict[int | None, list[Record]]] = {}
    for record in sorted(
        side.records, key=lambda r: (r.cell.images is not None, -(r.cell.images or 0), r.cell.seed or 0)
    ):
        if side.method is not None or record.cell.method not in UNRANKED_METHODS:
            parts = by_name.setdefault((model_of(record, side.model), record.cell.method), {})
            parts.setdefault(record.cell.images, []).append(record)
    return {name: [tuple(group) for group in by_name[name].values()] for name in sorted(by_name)}


def model_and_method(trainings: Sequence[Record]) -> Name:
    """Return model and method of one training run, or of several without their seed."""
    cell = trainings[0].cell
    return (cell.model_id if len(trainings) == 1 else trainings[0].cell.model_of_any_seed), cell.method


def _on_same_images(
    first: Sequence[tuple[Record, ...]], second: Sequence[tuple[Record, ...]]
) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Select the records of two cells on the same images, all images if possible; else the largest part of each."""
    same = ((a, b) for a in first for b in second if a[0].cell.images == b[0].cell.images)
    return next(same, (first[0], second[0]))


def _common(first: tuple[Record, ...], second: tuple[Record, ...]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Select the training runs that both sides have, as two methods of one network do; all runs if there are none."""
    both = {*map(weights_key, first)} & {*map(weights_key, second)}
    if not both:
        return first, second
    return tuple(r for r in first if weights_key(r) in both), tuple(r for r in second if weights_key(r) in both)


def weights_key(record: Record) -> str:
    """Return a key of the weights of a record, or of the model if it has no checkpoint.

    It matches training runs of two suites whatever their names.
    """
    return " ".join(record.checkpoints) or record.cell.model_id


def _nothing_to_compare(first: Selection, second: Selection, themselves: bool) -> str:
    """Explain why nothing can be compared, and what to use instead."""
    if themselves:
        return f"{first.selector} and {second.selector} select the same cells: use different suites, models or methods"
    unnamed = (("model_id" if side.model is None else "method", side) for side in (first, second))
    named = ((side.selector, sorted({getattr(r.cell, field) for r in side.records})) for field, side in unnamed)
    words = "; ".join(f"{selector}: {examples(words_of_side, 4)}" for selector, words_of_side in named)
    return (
        f"{first.selector} and {second.selector} have no cells with the same model and method ({words}): "
        "name a model or a method on both sides, as in suite/model or suite/model/method"
    )


WORDS = ("model", "method")
HEADER = ("finding", "A", "B", "A − B [95%]", "p", "p (Holm)", "n")


@dataclass(frozen=True)
class ComparisonRow:
    """One comparison and its cells."""

    pair: Pair
    patients: int
    """Number of patients with a case."""
    comparison: PairedDifference


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
    mixed = len({row.pair.scope for row in rows}) > 1
    lines = ((row.pair.names, _cells(row.comparison), row.pair.scope) for row in rows)
    header, *cells = (
        (*(names[n] for n in varies), *line, *([by] if mixed else []))
        for names, line, by in ((WORDS, HEADER, "compared over"), *lines)
    )
    title = "no threshold" if origin == "none" else f"threshold {origin}"
    return Table(f"{metric} ({title})", "", header, tuple(cells))


def _cells(c: PairedDifference) -> tuple[str, ...]:
    interval = "" if c.low is None or c.high is None else f" [{c.low:+.3f}, {c.high:+.3f}]"
    gap = NOTHING if c.difference is None else f"{c.difference:+.3f}{interval}"
    return (c.finding, number(c.first), number(c.second), gap, _p(c.p), _p(c.adjusted), str(c.n))


def _p(value: float | None) -> str:
    """Format p with four decimals, the resolution of 10,000 sign flips; smaller values as a bound."""
    if value is None:
        return NOTHING
    return f"{value:.4f}" if value >= 0.0001 else "< 0.0001"


def _write(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """Write comparisons with all digits to a CSV file. Raises ``WriteError`` if it cannot be written."""
    write_text(path, csv_text([lines[0], *(line.values() for line in lines)]))


def _line(row: ComparisonRow) -> dict[str, Any]:
    (model_a, method_a), (model_b, method_b) = map(model_and_method, row.pair.sides)
    names = {"model_A": model_a, "method_A": method_a, "model_B": model_b, "method_B": method_b}
    trainings = dict(zip(("trainings_A", "trainings_B"), map(len, row.pair.sides), strict=True))
    return {**names, **asdict(row.comparison), "patients": row.patients, **trainings}


SEED = 0
"""Seed of the resamples and of the sign flips."""
INTERVALS = (
    f"intervals for one training run: BCa 95%, {RESAMPLES:,} resamples of patients (seed {SEED}), thresholds held "
    f"constant, {SMALLEST} patients or more"
)
OVER_TRAININGS = (
    "intervals and p for several training runs: over runs and patients (Obuchowski and Rockette, Hillis), paired if "
    "both sides have the same runs, else nested; a side with one run contributes patients only; thresholds held "
    "constant"
)
TESTS = f"p: sign-flip test by patient, {FLIPS:,} flips (seed {SEED}), two-sided"
HOLM = "p (Holm): corrected over all comparisons of a metric in this output, so it differs from p in the suite's tables"
PATIENTS_ONLY = "its spread over runs is unknown, and another training run may reverse the comparison"
IGNORED_FIELDS = ("img_size", "counts", "images", "images_without_file", "boxed_images", "partition")
"""Fields of a data set's description that do not concern the content of the images."""


def run(config: CompareConfig, echo: Echo) -> int:
    """Compare the two sides of ``config.pair`` and ``echo`` the tables; always returns 0.

    Raises ``LocusError`` if a selector has no cells or the sides have no common case.
    """
    if len(config.pair) != 2:
        advice = "each is suite[/model][/method], the path of a checkpoint or a results folder"
        raise BadValueError(f"compare requires two arguments, A and B, but got {len(config.pair)}: {advice}")
    if any(map(_has_records, config.pair)):
        if config.output is not None or config.all_rules:
            flag = "--all_rules" if config.all_rules else "--output"
            raise BadValueError(f"{flag} requires suites, models or methods: leave it out for two results folders")
        echo(compare_folders(*config.pair))
        return 0
    homes = [Path(config.results)] if config.results else [cells.published(), cells.UNPUBLISHED]
    first, second = (resolve_first(word, homes) for word in config.pair)
    if config.all_rules:
        text, lines = under_all_rules(first, second)
    else:
        text, rows = compare_selections(first, second)
        lines = [*map(_line, rows)]
    echo(text)
    if config.output is not None:
        _write(lines, Path(config.output))
        echo(f"all {len(lines)} comparisons: {config.output}")
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
    main = [(main_value(a), main_value(b), a.cell) for a, b in both if a.cell.protocol == MAIN_PROTOCOL]
    gaps = [(abs(a - b), cell) for a, b, cell in main if a is not None and b is not None]
    if gaps:
        gap, cell = max(gaps, key=lambda pair: pair[0])
        where = f" ({cell.method}, {cell.model_id})" if gap else ""
        text += f"; the largest difference of {MAIN} is {gap:.3g}{where}"
    return text


def _are_equal(one: Record, other: Record) -> bool:
    first, second = ({(s.finding, s.metric, s.threshold_origin): s.value for s in r.scores} for r in (one, other))
    return all(first[name] == second[name] for name in first.keys() & second.keys())


def compare_selections(first: Selection, second: Selection) -> tuple[str, list[ComparisonRow]]:
    """Return the tables of two sides as text, and their rows. Raises ``BadValueError`` without a common case.

    Differences are first minus second on the common cases; p is corrected by Holm over all comparisons of a metric.
    """
    pairs, unmatched = pairs_of(first, second)
    left_out: list[str] = []
    bar = tqdm(pairs, desc="compare", unit="pair", leave=False, disable=None)
    rows = adjusted([row for pair in bar for row in _rows(pair, first, second, left_out)])
    if not rows:
        both = f"{first.selector} and {second.selector}"
        raise BadValueError(f"{both} have no common case: they were scored on different images or findings")
    about = _provenance(first, second, pairs, unmatched, {row.patients for row in rows})
    return "\n".join([*left_out, about, "", *map(as_text, tables(rows))]).rstrip(), rows


def under_all_rules(first: Selection, second: Selection) -> tuple[str, list[dict[str, Any]]]:
    """Compare two rows under all rules of the check ``protocols`` that need only the rows per case.

    Returns the table as text, and the comparisons.

    Raises ``BadValueError`` if the selectors are not two rows with common cases.
    """
    pairs, _ = pairs_of(first, second)
    if len(pairs) != 1:
        raise BadValueError(f"--all_rules compares two rows, not {len(pairs)} pairs: use suite/model/method twice")
    sides = pairs[0].sides
    both = common_cases(
        [read_cases(r, side.folder) for rows, side in zip(sides, (first, second), strict=True) for r in rows]
    )
    if not len(both.index):
        raise BadValueError(f"{first.selector} and {second.selector} have no common case")
    runs = [tuple(map(weights_key, rows)) for rows in sides]
    compared = two_rows(dict(_by_rule(both)), both.index, runs)
    title = f"A = {first.selector}, B = {second.selector}: {len(both.index)} cases"
    header = ("rule", "A", "B", "A − B [95%]", "p", "p (Holm)", "better")
    return as_text(Table(title, "", header, _cells_of(compared))), [one._asdict() for one in compared]


def _by_rule(both: CommonCases) -> Iterator[tuple[str, FloatArray]]:
    """Yield each rule with its values (cases, records), if all records have them."""

    def column(name: str) -> FloatArray:
        missing = np.full(len(both.index), np.nan)
        return np.stack([t[name].to_numpy(np.float64) if name in t else missing for t in both.tables], 1)

    yield from ((rule, values) for rule, values in of_locus(column).items() if np.isfinite(values).all())


def _cells_of(compared: Sequence[UnderRule]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            *(one.rule, number(one.first), number(one.second)),
            f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]",
            *("< 0.0001" if p < 1e-4 else f"{p:.4f}" for p in (one.p, one.p_holm)),
            {1: "A", -1: "B", 0: NOTHING}[one.sign],
        )
        for one in compared
    )


def _rows(pair: Pair, first: Selection, second: Selection, left_out: list[str]) -> list[ComparisonRow]:
    """Compare one pair on its common cases; appends a sentence about other cases to ``left_out``."""
    one, other = pair.sides
    both = common_cases(
        [read_cases(r, side.folder) for r, side in [*((r, first) for r in one), *((r, second) for r in other)]]
    )
    if any(both.left_out):
        names = " / ".join(pair.names)
        only_a, only_b = max(both.left_out[: len(one)]), max(both.left_out[len(one) :])
        count = len(both.index)
        left_out.append(f"{names}: {count} common cases; left out: {only_a} cases of A only, {only_b} cases of B only")
    if not len(both.index):
        return []
    by_training = [columns(table) for table in both.tables]
    if pair.several:
        first_trainings = dict(zip(map(weights_key, one), by_training[: len(one)], strict=True))
        second_trainings = dict(zip(map(weights_key, other), by_training[len(one) :], strict=True))
        comparisons = compare_over_trainings(first_trainings, second_trainings, both.index, both.findings)
    else:
        comparisons = compare(by_training[0], by_training[1], both.index, both.findings, SEED)
    patients = len(set(both.index.patients.tolist()))
    return [ComparisonRow(pair, patients, comparison) for comparison in comparisons]


def _provenance(
    first: Selection, second: Selection, pairs: Sequence[Pair], unmatched: tuple[int, int], patients: Set[int]
) -> str:
    """Describe both selectors, cells without a partner, different data, patients, seeds, intervals and tests.

    Returns text for a terminal, one line each; parts that do not apply are left out.
    """
    lines = [f"{word} = {_named(side)}" for word, side in (("A", first), ("B", second))]
    alone = [
        f"cells of {side} without a partner in the other: {n}" for side, n in zip("AB", unmatched, strict=True) if n
    ]
    lines += alone
    lines += _other_grids(first, second, pairs)
    if other := _other_data(pairs):
        lines.append(f"the data sets of A and B differ in {', '.join(other)}")
    span = f"{min(patients)}" if len(patients) == 1 else f"{min(patients)} to {max(patients)}"
    lines.append(f"patients: {span}; training seeds: {_seeds(pairs)}; `mean` is over findings")
    several = [pair.several for pair in pairs]
    single = sum(pair.has_single_run for pair in pairs)
    lines += [*([OVER_TRAININGS] if any(several) else []), *([INTERVALS, TESTS] if not all(several) else []), HOLM]
    if single:
        where = "" if single == len(several) else f"in {single} of {len(several)} pairs "
        lines.append(f"{where}a side has one training run: {PATIENTS_ONLY}")
    return "\n".join(lines)


def _other_grids(first: Selection, second: Selection, pairs: Iterable[Pair]) -> list[str]:
    """Return a line if networks of a pair have different grids, from the scores of ``truth`` on them."""
    one, other = (_bounds(side.folder) for side in (first, second))
    cells = [(a[0].cell, b[0].cell) for a, b in (pair.sides for pair in pairs)]
    same_data = [(a.model_of_any_seed, b.model_of_any_seed) for a, b in cells if a.dataset == b.dataset]
    bounds = {(one.get(a), other.get(b)) for a, b in same_data}
    differ = [f"{number(a)} and {number(b)}" for a, b in bounds if None not in (a, b) and a != b]
    bound = f"upper bound {examples(sorted(differ), 3)}"
    return [f"A and B have different grids ({bound}), which explains part of a difference"] if differ else []


def _bounds(folder: Path) -> dict[str, float | None]:
    """Return model -> the score of ``truth`` on its grid."""
    compared = one_alignment(scored(records.load_metric(folder, MAIN), MAIN_PROTOCOL))
    return {r.cell.model_of_any_seed: main_value(r) for r in compared if r.cell.method == UPPER_BOUND}


def _named(side: Selection) -> str:
    """Return the selector; for a checkpoint with its model and number of folds."""
    model = f"{side.folder.name}/{side.model}"
    count = max(len(record.checkpoints) for record in side.records)
    folds = f", one of its {count} training runs" if count > 1 else ""
    return f"{side.selector} ({model}{folds})" if is_checkpoint(side.selector) else side.selector


def _seeds(pairs: Sequence[Pair]) -> str:
    """Return the seeds of both sides, or of each if they differ."""
    first, second = (sorted({record.cell.seed or 0 for pair in pairs for record in pair.sides[n]}) for n in (0, 1))
    words = [", ".join(map(str, seeds)) for seeds in (first, second)]
    return words[0] if first == second else f"{words[0]} (A), {words[1]} (B)"


def _other_data(pairs: Iterable[Pair]) -> list[str]:
    """Return the fields in which the data set descriptions of a pair differ, except for counts and sizes."""
    sides = [[{"dataset": r.cell.dataset, **r.data} for r, *_ in pair.sides] for pair in pairs]
    differ = {name for a, b in sides for name in {*a, *b} if a.get(name) != b.get(name)}
    return sorted(differ.difference(IGNORED_FIELDS))


FILE = "against.csv"


def find(selector: str, results: Path, samples: list[Sample]) -> Selection:
    """Return the row that ``selector`` names in the published results or in ``results``.

    Raises ``LocusError`` if there is no such row, or if it was scored on none of the images of ``samples``.
    """
    row = resolve_first(selector, [cells.published(), results])
    if row.model is None or row.method is None:
        raise BadValueError(f"--against {selector} is not a single row: use suite/model/method")
    scored = cases.read_columns([record.cell for record in row.records], row.folder, ["image"])
    if not {sample.image_id for sample in samples} & set(scored["image"].to_pylist()):
        raise BadValueError(f"--against {selector} was scored on other images: choose a row of the same data set")
    return row


def compare_with_row(record: Record, folder: Path, row: Selection) -> tuple[str, str]:
    """Compare an entry's ``record`` in ``folder`` with ``row``: all tables as text, and one sentence.

    The tables are also written to ``against.csv`` in the folder.
    """
    entry = Selection(record.cell.method, folder, record.cell.model_id, record.cell.method, (record,))
    text, rows = compare_selections(entry, row)
    _write([*map(_line, rows)], folder / FILE)
    main = next(one for one in rows if (one.comparison.metric, one.comparison.finding) == (MAIN, "mean"))
    return text, f"Against {row.selector}, {MAIN} on the same {main.comparison.n} cases: {_result(main)}."


def _result(row: ComparisonRow) -> str:
    """Return the difference with its interval, or why it has none, and p if there is one."""
    main = row.comparison
    if main.difference is None:
        return "not compared, because a side has no score"
    few = f"which requires {SMALLEST} patients (there are {row.patients})"
    without = f" without an interval, {few if row.patients < SMALLEST else 'which is undefined'}"
    interval = without if main.low is None else f" [{main.low:+.3f}, {main.high:+.3f}]"
    p = "" if main.p is None else f", p = {main.p:.4f}"
    return f"{main.difference:+.3f}{interval}{p} ({FILE})"
