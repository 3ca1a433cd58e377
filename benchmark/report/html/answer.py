"""The answer in sentences: best network, best method on it, how certain that is, and whether it beats ``prior``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.html import basis
from benchmark.report.html.findings import by_finding
from benchmark.report.html.limits import limits
from benchmark.report.html.words import name, network_name
from benchmark.report.leaderboard import main_table, networks, ranking
from benchmark.report.leaderboard.entries import comparisons_by_row, network_of
from benchmark.report.leaderboard.entry_columns import (
    RowComparisons,
    is_single,
    main_score_getter,
    score_getter,
    worse_by,
)
from benchmark.report.table import Table, number, signed, with_interval
from benchmark.scoring.statistics.entries import BAND_RUNS
from core.names import MAIN

NAMED = 6
"""Number of rows that a sentence lists by name; the remaining ones are counted."""


@dataclass(frozen=True)
class PageAnswer:
    """Question and answer for one data set. Sentences may contain `code`."""

    question: str
    first: tuple[str, ...]
    findings: Table | None
    """The first method of each finding, and whether it is above ``prior``."""
    another: tuple[str, ...]
    """What another training run could change."""
    rests: tuple[str, ...]
    limits: tuple[str, ...]
    """What the answer does not show."""


def answer(records: Sequence[Record], dataset: str) -> PageAnswer | None:
    """Return the answer for one data set, or None if nothing was scored.

    ``records``: the suite's records, including those that ``comparisons.rows.add_leaderboard_entries`` adds.
    """
    rows = main_table.board(records, dataset)
    known = comparisons_by_row(records, None)
    methods = [row for row in rows if select.is_method(row) and select.main_value(row) is not None]
    if not methods:
        return None
    groups = _by_network(methods)
    behind = select.board(records, dataset)
    trainings = [int(s.value or 1) for row in methods if (s := score_getter(known, "trainings")(row)) is not None]
    return PageAnswer(
        f"Which {'network and which ' if len(groups) > 1 else ''}method is best on {dataset}?",
        _first(records, dataset, groups, known),
        by_finding(groups[0], rows, known),
        _another(groups[0][0], methods, known),
        (*basis.rests(behind, trainings), *_optimism(groups[0][0])),
        limits(methods, behind),
    )


def _by_network(methods: Sequence[Record]) -> list[list[Record]]:
    groups: dict[str, list[Record]] = {}
    for row in methods:
        groups.setdefault(network_of(row), []).append(row)
    return list(groups.values())


def _first(
    records: Sequence[Record], dataset: str, groups: Sequence[Sequence[Record]], known: RowComparisons
) -> tuple[str, ...]:
    """Name the best network of each grid and the best method on it; only the methods if no networks are compared."""
    of_network = {network_of(group[0]): _of_network(group, known) for group in groups}
    compared = networks.compared(records, dataset)
    apart = [r for r in networks.of_dataset(records, dataset) if r not in compared]
    if not compared:
        why = "; ".join(dict.fromkeys(r.reason or "no other network has its grid and several runs" for r in apart))
        warning = f"The {len(groups)} networks are not compared ({why}): do not read their order as a result."
        return (*([warning] if len(groups) > 1 else []), *list(of_network.values())[:NAMED])
    grids: dict[float | None, list[Record]] = {}
    for record in compared:
        grids.setdefault(_bound(record), []).append(record)
    sentences = [
        sentence
        for grid in grids.values()
        for sentence in (_of_grid(grid, len(grids) > 1), of_network[network_of(grid[0])])
    ]
    highest = max((row for group in groups for row in group), key=lambda row: select.main_value(row) or 0.0)
    if network_of(highest) not in map(network_of, compared[:1]):
        score = with_interval(main_score_getter(known)(highest))
        sentences.append(
            f"The highest single score is {score}, by {name(highest)}. Networks are not compared by their best row."
        )
    names = _listed([f"{network_name(r)} ({r.reason or 'the only network of its grid'})" for r in apart])
    return (*sentences, *([f"Not compared: {names}."] if apart else []))


def _of_grid(grid: Sequence[Record], several: bool) -> str:
    first, *others = grid
    where = f" among the networks whose grid has the upper bound {number(_bound(first))}" if several else ""
    mean = f"{network_name(first)} has the highest mean over the rank methods{where}: {networks.in_words(first)}"
    equal, worse = _parted(others, lambda r: r)
    same = _listed([network_name(r) for r in equal])
    sure = f"{same} may be as good" if equal else "it is significantly better than the others"
    rest = f". Significantly worse: {_listed([_gap(network_name(r), r) for r in worse])}" if worse else ""
    return f"Network: {mean}; {sure}{rest}.{_chance(first.find('p_first'))}{_over_prior(first.find('above_prior'))}"


def _of_network(group: Sequence[Record], known: RowComparisons) -> str:
    first, *others = group
    main, above = with_interval(main_score_getter(known)(first)), _over_prior(score_getter(known, "above_prior")(first))
    equal, worse = _parted(others, lambda r: known.get(select.row_key(r)))
    head = f"Method on {network_name(first)}: `{first.method}` has {main} on `{MAIN}` ({_interval_scope(first, known)})"
    if not equal and not worse:
        return f"{head}.{above}"
    same = _listed([f"`{row.method}`" for row in equal])
    alone = " with this training run" * is_single(first)
    sure = f"{same} may be as good{alone}" if equal else f"all others are significantly worse{alone}"
    comparison = known.get(select.row_key(worse[0])) if worse else None
    next_one = f". Best of the significantly worse: {_gap(f'`{worse[0].method}`', comparison)}" if comparison else ""
    return f"{head}; {sure}{next_one}.{_chance(score_getter(known, 'p_first')(first))}{above}"


def _parted(rows: Sequence[Record], find: Callable[[Record], Record | None]) -> tuple[list[Record], list[Record]]:
    """Split rows into those that may be the best and those that are significantly worse than another row."""
    scores = [(row, comparison.find("may_be_best")) for row in rows if (comparison := find(row)) is not None]
    verdicts = [(row, bool(score.value)) for row, score in scores if score is not None]
    return [row for row, may in verdicts if may], [row for row, may in verdicts if not may]


def _gap(name: str, comparison: Record | None) -> str:
    gap = worse_by(comparison)[1] if comparison is not None else None
    return name if gap is None else f"{name}, by {with_interval(gap)}"


def _listed(words: Sequence[str]) -> str:
    rest = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + rest


def _interval_scope(first: Record, known: RowComparisons) -> str:
    """What the interval of a row covers: new patients only, or new training runs too."""
    trainings = score_getter(known, "trainings")(first)
    if is_single(first) or trainings is None or trainings.value is None or trainings.value < 2:
        return "95 % interval for new patients only, from one training run"
    few = ", too few for a reliable interval" * (trainings.value < BAND_RUNS)
    return f"95 % interval for new training runs and patients, from {trainings.value:.0f} runs{few}"


def _chance(share: Score | None) -> str:
    if share is None or share.value is None:
        return ""
    return f" It is first in {100 * share.value:.0f} % of draws."


def _over_prior(above: Score | None) -> str:
    if above is None or above.value is None:
        return ""
    verdict = ranking.against_prior(above) or "above prior"
    return f" It is {verdict.replace('prior', '`prior`')}: {signed(above)}."


def _bound(record: Record) -> float | None:
    score = record.find("bound")
    return None if score is None else score.value


def _optimism(first: Record) -> tuple[str, ...]:
    """How much a threshold chosen on the test annotations would add to the first row."""
    score = first.find("optimism")
    if score is None or score.value is None:
        return ()
    return (
        f"Thresholds chosen on the test annotations would add {number(score.value)} to {name(first)}: its `optimism`.",
    )


def _another(first: Record, methods: Sequence[Record], known: RowComparisons) -> tuple[str, ...]:
    following, spread, trainings = (score_getter(known, word)(first) for word in ("one_more", "seed_sd", "trainings"))
    if is_single(first) or spread is None or trainings is None:
        return (
            "Unknown: the first row has one training run, so its interval and comparisons cover new patients only. "
            "Another seed may change the order.",
            "Set `seeds: [0, 1, 2]` in the suite's file and run it again to get intervals for new runs.",
        )
    band = f"{name(first)} has fewer than {BAND_RUNS} training runs, too few to predict the score of another run. "
    if following is not None:
        ends = f"{number(following.low)} to {number(following.high)}"
        band = f"Another run of {name(first)} is expected to score {ends} on these images (95 %). "
    single = sum(map(is_single, methods))
    rest = f" {single} of {len(methods)} rows have one run: another seed may change their order." if single else ""
    spread_words = f"Its {trainings.value:.0f} runs have a standard deviation of {number(spread.value)}."
    return (f"{band}{spread_words}", f"Comparisons of rows with several runs cover new runs and new patients.{rest}")
