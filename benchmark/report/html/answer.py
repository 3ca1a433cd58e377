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
from benchmark.report.html.scope import OTHERS, basis_sentences, limits, name, network_name, of_data
from benchmark.report.table import Table, number, signed, with_interval
from benchmark.scoring.statistics.entries import BAND_RUNS
from core.errors import examples
from core.names import MAIN

NAMED = 6
"""Maximum number of rows that a sentence lists by name; the others are counted."""
ONCE = (
    "This is unknown: each network was trained once, and the intervals cover only new patients.",
    "To check several training runs, set `seeds: [0, 1, 2]` in the suite's file and run it again.",
)
SEVERAL = ("The check was applied to each training run. The spread over seeds shows how much another run may change.",)


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
    behind = leaderboard.runs()
    return PageAnswer(
        f"Which {'network and which ' if len(groups) > 1 else ''}method is best on {leaderboard.dataset}?",
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
        reasons = (r.reason or "no other network has the same grid and several runs" for r in not_compared)
        why = "; ".join(dict.fromkeys(reasons))
        warning = f"The {len(groups)} networks are not compared ({why}): do not read their order as a result."
        return (*([warning] if len(groups) > 1 else []), *list(sentences.values())[:NAMED])
    grids = select.grouped(compared, _bound)
    lines = [
        words
        for grid in grids.values()
        for words in (_of_grid(grid, len(grids) > 1), sentences[select.recipe_key(grid[0])])
    ]
    highest = max((row for group in groups.values() for row in group), key=lambda row: select.main_value(row) or 0.0)
    if select.recipe_key(highest) != select.recipe_key(compared[0]):
        score = with_interval(select.main_score(highest))
        lines.append(
            f"The highest single score is {score}, by {name(highest)}. Networks are not compared by their best row."
        )
    names = examples([f"{network_name(r)} ({r.reason or 'the only network of its grid'})" for r in not_compared], NAMED)
    return (*lines, *([f"Not compared: {names}."] if not_compared else []))


def _of_grid(grid: Sequence[Entry], several: bool) -> str:
    """Say which network of one grid size is best, and which others may be as good."""
    first, *others = grid
    where = f" among the networks whose grid has the upper bound {number(_bound(first))}" if several else ""
    score = with_interval(first.find(MAIN))
    mean = f"{network_name(first)} has the highest mean over the suite's `rank_methods`{where}: {score}"
    equal, worse = _parted(others)
    same = examples([network_name(r) for r in equal], NAMED)
    sure = f"{same} may be as good" if equal else "it is significantly better than the others"
    rest = f". Significantly worse: {examples([_gap(network_name(r), r) for r in worse], NAMED)}" if worse else ""
    return f"Network: {mean}; {sure}{rest}.{_chance(first)}{_over_prior(first)}"


def _of_network(group: Sequence[Entry]) -> str:
    """Say which method is best on one network, and which others may be as good."""
    first, *others = group
    main = with_interval(select.main_score(first))
    equal, worse = _parted(others)
    head = f"Method on {network_name(first)}: `{first.method}` has {main} on `{MAIN}` ({_interval_scope(first)})"
    if not equal and not worse:
        return f"{head}.{_over_prior(first)}"
    same = examples([f"`{row.method}`" for row in equal], NAMED)
    alone = " with this training run" * is_single(first)
    sure = f"{same} may be as good{alone}" if equal else f"all others are significantly worse{alone}"
    next_one = f". Best of the significantly worse: {_gap(f'`{worse[0].method}`', worse[0])}" if worse else ""
    return f"{head}; {sure}{next_one}.{_chance(first)}{_over_prior(first)}"


def _parted(rows: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Split rows into those that may be the best and those that are significantly worse than another row."""
    verdicts = [(row, bool(score.value)) for row in rows if (score := row.find("may_be_best")) is not None]
    return [row for row, may in verdicts if may], [row for row, may in verdicts if not may]


def _gap(name: str, row: Entry) -> str:
    gap = worse_by(row)[1]
    return name if gap is None else f"{name}, by {with_interval(gap)}"


def _interval_scope(first: Entry) -> str:
    """Describe the interval of a row: for new patients only, or for new training runs too."""
    runs = run_count(first) or 0
    if is_single(first) or runs < 2:
        return "95% interval for new patients only, from one training run"
    few = ", too few for a reliable interval" * (runs < BAND_RUNS)
    return f"95% interval for new training runs and patients, from {runs} runs{few}"


def _chance(first: Entry) -> str:
    share = first.find("p_first")
    return "" if share is None or share.value is None else f" It is first in {100 * share.value:.0f}% of resamples."


def _over_prior(first: Entry) -> str:
    above = first.find("above_prior")
    if above is None or above.value is None:
        return ""
    verdict = ranking.against_prior(above) or "above prior"
    return f" It is {verdict.replace('prior', '`prior`')}: {signed(above)}."


def _bound(record: Record) -> float | None:
    score = record.find("bound")
    return None if score is None else score.value


def _optimism(first: Record) -> tuple[str, ...]:
    """Say how much a threshold chosen on the test annotations would add to the first row."""
    score = first.find("optimism")
    if score is None or score.value is None:
        return ()
    return (
        f"Thresholds chosen on the test annotations would add {number(score.value)} to {name(first)} (`optimism`).",
    )


def _another(first: Entry, methods: Sequence[Entry]) -> tuple[str, ...]:
    """Say what to expect of another training run."""
    following, spread, runs = first.find("one_more"), first.find("seed_sd"), run_count(first)
    if is_single(first) or spread is None or runs is None:
        return (
            "This is unknown: the first row has one training run, so its interval and comparisons cover only new "
            "patients. Another seed may change the order.",
            "To get intervals for new runs, set `seeds: [0, 1, 2]` in the suite's file and run it again.",
        )
    band = f"{name(first)} has fewer than {BAND_RUNS} training runs, too few to predict the score of another run. "
    if following is not None:
        ends = f"{number(following.low)} to {number(following.high)}"
        band = f"Another run of {name(first)} is expected to score {ends} on these images (95%). "
    single = sum(map(is_single, methods))
    rest = f" {single} of {len(methods)} rows have one run: another seed may change their order." if single else ""
    spread_words = f"Its {runs} runs have a standard deviation of {number(spread.value)}."
    return (
        f"{band}{spread_words}",
        f"Comparisons of rows with several runs reflect variation between runs and between patients.{rest}",
    )


def answers_of_checks(reports: Sequence[CheckReport]) -> list[PageAnswer]:
    """Return the answer of each check; checks without a question have none."""
    return [_answer_of_check(report) for report in reports if report.question]


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
