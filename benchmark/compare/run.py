"""``--compare A B``: the differences between two sides, as tables on the terminal and, if wanted, as a file."""

from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from benchmark.compare import table
from benchmark.compare.basis import SEED, basis
from benchmark.compare.pairs import Pair, pairing
from benchmark.compare.selector import Selection, resolve
from benchmark.compare.table import ComparisonRow
from benchmark.report.table import plain
from benchmark.statistics.aligned import align, columns, read
from benchmark.statistics.paired import compare
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
    first, second = (resolve(word, Path(config.results or "results")) for word in config.compare)
    paired = pairing(first, second)
    left_out: list[str] = []
    pairs = tqdm(paired.pairs, desc="compare", unit="pair", leave=False, disable=None)
    rows = table.adjusted([row for pair in pairs for row in _rows(pair, first, second, left_out)])
    if not rows:
        raise BadValueError(
            f"{first.selector} and {second.selector} share no case: they were scored on other images or findings"
        )
    for line in left_out:
        report(line)
    report("\n".join([basis(first, second, paired, rows), "", *map(plain, table.tables(rows))]).rstrip())
    if config.output is not None:
        table.write(rows, Path(config.output))
        report(f"all {len(rows)} comparisons: {config.output}")
    return 0


def _rows(pair: Pair, first: Selection, second: Selection, left_out: list[str]) -> list[ComparisonRow]:
    """The comparisons of one pair on its common cases; ``left_out`` gets a sentence on cases that only one has."""
    both = align([read(pair.first, first.folder), read(pair.second, second.folder)])
    if any(both.left_out):
        one, other = both.left_out
        names = " / ".join(pair.names)
        left_out.append(
            f"{names}: {len(both.findings)} common cases; left out {one} that only A has, {other} that only B has"
        )
    if not both.findings:
        return []
    ours, theirs = map(columns, both.tables)
    comparisons = compare(ours, theirs, both.findings, both.patients, both.names, SEED)
    return [ComparisonRow(pair, len(set(both.patients)), comparison) for comparison in comparisons]
