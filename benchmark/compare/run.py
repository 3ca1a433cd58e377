"""``--compare A B``: the differences between two sides, as tables on the terminal and, if wanted, as a file."""

from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from benchmark.compare import table
from benchmark.compare.basis import SEED, basis
from benchmark.compare.pairs import Pair, pairing, weights_key
from benchmark.compare.selector import Selection, resolve_first
from benchmark.compare.table import ComparisonRow
from benchmark.report.table import plain
from benchmark.statistics.common_cases import columns, common_cases, read
from benchmark.statistics.paired import compare, compare_over_trainings
from benchmark.suite import results_folder
from config import RunConfig
from core.errors import BadValueError


def run(config: RunConfig, report: Callable[[str], None]) -> int:
    """Compare the two of ``config.compare`` and ``report`` the tables; 0, whatever they show.

    Raises ``LocusError`` for a selector that names nothing and where the two share no case.
    """
    if len(config.compare) != 2:
        given = len(config.compare)
        raise BadValueError(
            f"--compare takes two, A and B, not {given}: each is suite[/model][/method] or a checkpoint's path"
        )
    homes = [Path(config.results)] if config.results else [results_folder.published(), results_folder.UNPUBLISHED]
    first, second = (resolve_first(word, homes) for word in config.compare)
    text, rows = compare_selections(first, second)
    report(text)
    if config.output is not None:
        table.write(rows, Path(config.output))
        report(f"all {len(rows)} comparisons: {config.output}")
    return 0


def compare_selections(first: Selection, second: Selection) -> tuple[str, list[ComparisonRow]]:
    """The tables of two sides as text, and their rows. Raises ``BadValueError`` where they share no case.

    Differences are first minus second, on the cases that both have; p by Holm over all pairs, findings and means of a
    metric.
    """
    paired = pairing(first, second)
    left_out: list[str] = []
    pairs = tqdm(paired.pairs, desc="compare", unit="pair", leave=False, disable=None)
    rows = table.adjusted([row for pair in pairs for row in _rows(pair, first, second, left_out)])
    if not rows:
        raise BadValueError(
            f"{first.selector} and {second.selector} share no case: they were scored on other images or findings"
        )
    about = basis(first, second, paired, rows)
    return "\n".join([*left_out, about, "", *map(plain, table.tables(rows))]).rstrip(), rows


def _rows(pair: Pair, first: Selection, second: Selection, left_out: list[str]) -> list[ComparisonRow]:
    """The comparisons of one pair on its common cases; ``left_out`` gets a sentence on cases that only one has."""
    one, other = pair.sides
    both = common_cases(
        [read(r, side.folder) for r, side in [*((r, first) for r in one), *((r, second) for r in other)]]
    )
    if any(both.left_out):
        names = " / ".join(pair.names)
        only_a, only_b = max(both.left_out[: len(one)]), max(both.left_out[len(one) :])
        count = len(both.index)
        left_out.append(f"{names}: {count} common cases; left out {only_a} that only A has, {only_b} that only B has")
    if not len(both.index):
        return []
    each = [columns(table) for table in both.tables]
    if pair.several:
        ours = dict(zip(map(weights_key, one), each[: len(one)], strict=True))
        theirs = dict(zip(map(weights_key, other), each[len(one) :], strict=True))
        comparisons = compare_over_trainings(ours, theirs, both.index, both.findings)
    else:
        comparisons = compare(each[0], each[1], both.index, both.findings, SEED)
    patients = len(set(both.index.patients.tolist()))
    return [ComparisonRow(pair, patients, comparison) for comparison in comparisons]
