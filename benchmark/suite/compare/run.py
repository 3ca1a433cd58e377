"""Differences between two sides, as tables on the terminal and optionally as a file."""

from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from tqdm import tqdm

from benchmark import records
from benchmark.records import Record
from benchmark.report.entries.common_cases import columns, common_cases, read
from benchmark.report.select import main_value, one_alignment, scored
from benchmark.report.sentences import counted
from benchmark.report.table import as_text, number
from benchmark.scoring.statistics.bootstrap import RESAMPLES
from benchmark.scoring.statistics.intervals import SMALLEST
from benchmark.scoring.statistics.paired import compare, compare_over_trainings
from benchmark.scoring.statistics.signflip import FLIPS
from benchmark.suite import results_folder
from benchmark.suite.compare import table
from benchmark.suite.compare.pairs import Pair, pairs_of, weights_key
from benchmark.suite.compare.selector import Selection, is_checkpoint, resolve_first
from benchmark.suite.compare.table import ComparisonRow
from config import CompareConfig
from core.errors import BadValueError, examples
from core.names import MAIN, MAIN_PROTOCOL, UPPER_BOUND
from core.types import Echo

SEED = 0
"""Seed of the resamples and of the sign flips."""
INTERVALS = (
    f"intervals for one training run: BCa 95%, {RESAMPLES:,} resamples of patients (seed {SEED}), thresholds held "
    f"constant, {SMALLEST} patients or more"
)
OVER_TRAININGS = (
    "intervals and p for several training runs: over runs and patients (Obuchowski and Rockette, Hillis), paired if "
    "both sides have the same runs, else nested; over patients only, if a side has one run; thresholds held constant"
)
TESTS = f"p: sign-flip test by patient, {FLIPS:,} flips (seed {SEED}), two-sided"
HOLM = "p (Holm): corrected over all comparisons of a metric in this output, so it differs from p in the suite's tables"
PATIENTS_ONLY = "the comparison is over patients only, and another training run may reverse it"
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
        if config.output is not None:
            raise BadValueError("--output requires suites, models or methods: leave it out for two results folders")
        echo(compare_folders(*config.pair))
        return 0
    homes = [Path(config.results)] if config.results else [results_folder.published(), results_folder.UNPUBLISHED]
    first, second = (resolve_first(word, homes) for word in config.pair)
    text, rows = compare_selections(first, second)
    echo(text)
    if config.output is not None:
        table.write(rows, Path(config.output))
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
    rows = table.adjusted([row for pair in bar for row in _rows(pair, first, second, left_out)])
    if not rows:
        both = f"{first.selector} and {second.selector}"
        raise BadValueError(f"{both} have no common case: they were scored on different images or findings")
    about = _provenance(first, second, pairs, unmatched, {row.patients for row in rows})
    return "\n".join([*left_out, about, "", *map(as_text, table.tables(rows))]).rstrip(), rows


def _rows(pair: Pair, first: Selection, second: Selection, left_out: list[str]) -> list[ComparisonRow]:
    """Compare one pair on its common cases; appends a sentence about other cases to ``left_out``."""
    one, other = pair.sides
    both = common_cases(
        [read(r, side.folder) for r, side in [*((r, first) for r in one), *((r, second) for r in other)]]
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
    single = sum(pair.over_patients_only for pair in pairs)
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
