"""The answers in sentences: best network and method, their certainty, whether they beat ``prior``; of each check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.checks import CheckReport
from benchmark.report.entries import ranking
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import Entry, is_single, run_count, worse_by
from benchmark.report.html.findings import by_finding
from benchmark.report.html.scope import OTHERS, basis_sentences, is_external, limits, name, network_name, of_data
from benchmark.report.table import Table, number, signed, with_interval
from benchmark.scoring.statistics.entries import BAND_RUNS
from core.errors import examples
from core.names import MAIN

NAMED = 6
"""Maximum number of rows that a sentence lists by name; the others are counted."""
ONCE = (
    "This is unknown: each network was trained once, and the intervals reflect only variation between patients.",
    "To check several training runs, set `seeds: [0, 1, 2]` in the suite's file and run it again.",
)
SEVERAL = ("The check was applied to each training run. The spread over seeds shows how much another run may differ.",)


@dataclass(frozen=True)
class PageAnswer:
    """Question and answer for one data set. Sentences may contain `code`."""

    question: str
    first: tuple[str, ...]
    findings: Table | None
    """The first method of each finding, and whether it is above ``prior``."""
    another: tuple[str, ...]
    """What another training run could change."""
    based_on: tuple[str, ...]
    """Data and training runs behind the answer."""
    limits: tuple[str, ...]
    """What the answer does not show."""


def answer(leaderboard: Leaderboard) -> PageAnswer | None:
    """Return the answer for one data set, or None if nothing was scored."""
    methods = [row for row in leaderboard.entries if select.is_method(row) and select.main_value(row) is not None]
    if not methods:
        return None
    groups = select.grouped(methods, select.recipe_key)
    first, *_ = of_first = next(iter(groups.values()))
    behind, both = leaderboard.runs(), "network and which method score"
    return PageAnswer(
        f"Which {both if len(groups) > 1 else 'method scores'} highest on {leaderboard.dataset}?",
        _first(leaderboard.networks, groups),
        by_finding(of_first, leaderboard.entries),
        _another(first, methods),
        (*basis_sentences(behind, [run_count(row) or 1 for row in methods]), *_optimism(first)),
        limits(methods, behind),
    )


def _first(networks: Sequence[Entry], groups: Mapping[str, Sequence[Entry]]) -> tuple[str, ...]:
    """Name the best network of each grid and the best method on it; only the methods if no networks are compared.

    ``groups``: the methods of each network, best first.
    """
    sentences = {key: _of_network(group) for key, group in groups.items()}
    compared = [r for r in networks if r.find("may_be_best") is not None]
    not_compared = [r for r in networks if r not in compared]
    if not compared:
        warning = (
            f"The {len(groups)} networks are not compared: {_why(not_compared)}. Their order here is not a result."
        )
        return (*([warning] if len(groups) > 1 else []), *list(sentences.values())[:NAMED])
    grids = select.grouped(compared, _bound)
    lines = [
        words
        for grid in grids.values()
        for words in (_of_grid(grid, len(grids) > 1), sentences[select.recipe_key(grid[0])])
    ]
    rows = [row for group in groups.values() for row in group]
    lines += _significant(groups[select.recipe_key(compared[0])][0], rows)
    highest = max(rows, key=lambda row: select.main_value(row) or 0.0)
    if select.recipe_key(highest) != select.recipe_key(compared[0]):
        lines.append(
            f"The highest score of any row is {with_interval(select.main_score(highest))}, by {name(highest)}. It does "
            "not decide between networks, because the best of many rows overstates the score."
        )
    return (*lines, *([f"Not compared: {_why(not_compared)}."] if not_compared else []))


def _why(not_compared: Sequence[Entry]) -> str:
    alone = "no other network has the same grid and several runs"
    return examples([f"{network_name(r)} ({r.reason or alone})" for r in not_compared], NAMED)


def _significant(first: Entry, rows: Sequence[Entry]) -> list[str]:
    """Name the rows that are above ``prior`` after Holm's correction, unless the ``first`` is one of them."""
    above = [row for row in rows if row.find("p_holm") is not None and not ranking.against_prior(row)]
    if first in above or first.find("p_holm") is None:
        return []
    names = examples([f"{name(row)} with {with_interval(select.main_score(row))}" for row in above], NAMED)
    return [
        f"After correction for the number of methods, {names or 'no row'} is significantly above `prior`."
        if len(above) < 2
        else f"After correction for the number of methods, these rows are significantly above `prior`: {names}."
    ]


def _of_grid(grid: Sequence[Entry], several: bool) -> str:
    """Say which network of one grid size is best, and which others may be as good."""
    first, *others = grid
    where = f" (among networks with the same grid as {first.cell.backbone})" if several else ""
    score = with_interval(first.find(MAIN))
    mean = f"{network_name(first)} has the highest `{MAIN}`, averaged over the suite's `rank_methods`{where}: {score}"
    equal, worse = _parted(others)
    same = f" Not significantly worse: {examples([network_name(r) for r in equal], NAMED)}." if equal else ""
    rest = f" Significantly worse: {examples([_gap(network_name(r), r) for r in worse], NAMED)}." if worse else ""
    two = [network_name(r) for r in grid if run_count(r) == 2]
    few = f" With two training runs ({examples(two, NAMED)}), this comparison is not reliable." if two else ""
    return f"Network: {mean}.{_certainty(first)}{same}{rest}{few}"


def _of_network(group: Sequence[Entry]) -> str:
    """Say which method is best on one network, and which others may be as good."""
    first, *others = group
    main = with_interval(select.main_score(first))
    equal, worse = _parted(others)
    head = f"Method on {network_name(first)}: `{first.method}` scores {main} on `{MAIN}` ({_interval_scope(first)})."
    alone = " with this training run" * is_single(first)
    same = examples([f"`{row.method}`" for row in equal], NAMED)
    sure = f" Not significantly worse{alone}: {same}." if equal else ""
    if worse:
        gap = _gap(f"`{worse[0].method}`", worse[0])
        sure += f" The best method that is significantly worse{alone} is {gap}."
    return f"{head}{_certainty(first)}{sure}"


def _parted(rows: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Split rows into those that may be the best, and those significantly worse than another row or ``prior``."""
    verdicts = [(row, ranking.may_be_best(row)) for row in rows if row.find("may_be_best") is not None]
    return [row for row, may in verdicts if may], [row for row, may in verdicts if not may]


def _gap(name: str, row: Entry) -> str:
    gap = worse_by(row)[1]
    return name if gap is None else f"{name}, by {with_interval(gap)}"


def _interval_scope(first: Entry) -> str:
    """Describe the interval of a row: for new patients only, or for new training runs too."""
    runs = run_count(first) or 0
    if is_single(first) or runs < 2:
        return "95% interval over patients only, from one training run"
    few = "; with two runs, it is not reliable" * (runs < BAND_RUNS)
    return f"95% interval over training runs and patients, from {runs} runs{few}"


def _certainty(first: Entry) -> str:
    """Say how often a row ranks first, and whether it is above ``prior``."""
    share, above, said = first.find("p_first"), first.find("above_prior"), []
    if share is not None and share.value is not None:
        said.append(f"ranks first in {100 * share.value:.0f}% of resamples")
    if above is not None and above.value is not None:
        verdict = ranking.against_prior(first) or "above prior"
        if verdict == ranking.NOT_SHOWN and (above.low or 0.0) > 0:
            verdict += " after correction for the number of methods"
        said.append(f"is {verdict.replace('prior', '`prior`')} ({signed(above)})")
    return f" It {' and '.join(said)}." if said else ""


def _bound(record: Record) -> float | None:
    score = record.find("bound")
    return None if score is None else score.value


def _optimism(first: Record) -> tuple[str, ...]:
    """Say how much a threshold chosen on the test annotations would add to the first row."""
    score = first.find("optimism")
    if score is None or score.value is None:
        return ()
    return (
        f"With thresholds chosen on the test annotations, {name(first)} would score {number(score.value)} higher "
        "(`optimism`).",
    )


def _another(first: Entry, methods: Sequence[Entry]) -> tuple[str, ...]:
    """Say what to expect of another training run."""
    following, spread, runs = first.find("one_more"), first.find("seed_sd"), run_count(first)
    if is_external([first]):
        return (
            "This is unknown: the entry is scored as given, so its interval and comparisons reflect only variation "
            "between patients.",
        )
    if is_single(first) or spread is None or runs is None:
        return (
            "This is unknown: the first row has one training run, so its interval and comparisons reflect only "
            "variation between patients. Another seed may change the order.",
            "To get intervals for new runs, set `seeds: [0, 1, 2]` in the suite's file and run it again.",
        )
    band = f"{name(first)} has fewer than {BAND_RUNS} training runs, too few to predict the score of another run. "
    if following is not None:
        ends = f"{number(following.low)} to {number(following.high)}"
        band = f"Another run of {name(first)} is expected to score {ends} on these images (95%). "
    single = sum(map(is_single, methods))
    rest = (
        f" {single} of {len(methods)} rows have one run, so their intervals do not include variation between runs."
        if single
        else ""
    )
    spread_words = f"Its {runs} runs have a standard deviation of {number(spread.value)}."
    return (
        f"{band}{spread_words}",
        f"Comparisons of rows with several runs reflect variation between runs and between patients.{rest}",
    )


def answers_of_checks(reports: Sequence[CheckReport]) -> list[PageAnswer]:
    """Return the answer of each check; checks without a question have none."""
    return [_answer_of_check(report) for report in reports]


def _answer_of_check(report: CheckReport) -> PageAnswer:
    """Return the question of a validity check, its answer, and what the answer covers."""
    networks = select.grouped(report.rows, select.network)
    numbers = [len({record.cell.seed for record in group}) for group in networks.values()]
    return PageAnswer(
        report.question,
        tuple(report.sentences()),
        None,
        ONCE if max(numbers) == 1 else SEVERAL,
        (*basis_sentences(report.rows, numbers), f"Networks: {', '.join(networks)}."),
        (*of_data(report.rows), report.limit, OTHERS),
    )
