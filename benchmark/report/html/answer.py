"""The answer in words: who is first, by how much, on what that rests, what a new training would change."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.html import basis
from benchmark.report.html.findings import first_by_finding
from benchmark.report.html.limits import limits
from benchmark.report.html.words import baseline_of, name
from benchmark.report.leaderboard import main_table, ranking
from benchmark.report.leaderboard.entries import comparisons_by_row
from benchmark.report.leaderboard.entry_columns import RowComparisons, is_single, main_score_getter, score_getter
from benchmark.report.table import NOTHING, Table, number, signed, with_interval
from benchmark.statistics.entries import BAND_RUNS
from core.names import MAIN

NAMED = 8
"""So many tied rows are named, the others counted."""
ENOUGH = 5
"""Trainings from which on an interval holds the truth in 95 of 100 worlds (docs/coverage.md)."""


@dataclass(frozen=True)
class PageAnswer:
    """What a data set's records say, question by question: sentences in which `code` is marked."""

    question: str
    first: tuple[str, ...]
    findings: Table | None
    """The first of each finding, and whether it is above ``prior``."""
    another: tuple[str, ...]
    """What another training would change."""
    rests: tuple[str, ...]
    limits: tuple[str, ...]
    """What it does not show."""


def answer(records: Sequence[Record], dataset: str) -> PageAnswer | None:
    """The answer of one data set; None where nothing was ranked.

    The first row with its interval, who is tied with it, how it stands to ``prior``, what the numbers rest on, and what
    the order does not show. ``records`` are those of the suite, entries among them.
    """
    rows = main_table.board(records, dataset)
    known = comparisons_by_row(records, None)
    entered = [row for row in rows if select.is_method(row) and select.main_value(row) is not None]
    if not entered:
        return None
    behind = select.board(records, dataset)
    trainings = [
        int(score.value or 1) for row in entered if (score := score_getter(known, "trainings")(row)) is not None
    ]
    return PageAnswer(
        f"Which method is best on {dataset}?",
        _first(entered, rows, known),
        first_by_finding(entered, rows, known),
        _another(entered, known),
        (*basis.rests(behind, trainings), *_optimism(entered[0])),
        limits(entered, behind),
    )


def _first(entered: Sequence[Record], rows: Sequence[Record], known: RowComparisons) -> tuple[str, ...]:
    ranked = [row for row, rank in zip(rows, ranking.ranks(rows), strict=True) if rank != NOTHING]
    if not ranked:
        best = entered[0]
        beaten = f"with {number(select.main_value(best))} it is below {', '.join(ranking.beaten_by(best, rows))}"
        return (f"No method is above its baselines. The best is {name(best)}: {beaten}.",)
    first, tie = ranked[0], score_getter(known, "tied")
    tied = [row for row in ranked if row is not first and (score := tie(row)) is not None and score.value]
    others = [row for row in ranked if row is not first and row not in tied]
    return (
        _leaders(first, tied, known),
        *_gap(first, tied, others, known),
        *_over_prior(first, rows, score_getter(known, "above_prior")(first)),
    )


def _leaders(first: Record, tied: Sequence[Record], known: RowComparisons) -> str:
    among = " among these networks" if is_single(first) else ""
    score = main_score_getter(known)(first)
    whole = f"{name(first)} with {with_interval(score)} of `{MAIN}` (mean over findings; {_holds(first, known)})"
    if not tied:
        return f"First{among}: {whole}."
    rest = f" and {len(tied) - NAMED} more" if len(tied) > NAMED else ""
    listed = ", ".join(f"{name(row)} {number(select.main_value(row))}" for row in tied[:NAMED])
    return f"{len(tied) + 1} rows share the first rank{among}: {whole}. Not told apart from it: {listed}{rest}."


def _holds(first: Record, known: RowComparisons) -> str:
    """What the interval of the first row speaks of."""
    trainings = score_getter(known, "trainings")(first)
    if is_single(first) or trainings is None or trainings.value is None:
        return "95 % interval of this network, for new patients alone"
    if trainings.value < 3:
        return "interval for new trainings and patients, which of two trainings holds in 86 to 95 of 100 cases"
    if trainings.value < ENOUGH:
        return f"interval for new trainings and patients, of {trainings.value:.0f} trainings a little short of 95 %"
    return "95 % interval for new trainings and patients"


def _gap(first: Record, tied: Sequence[Record], others: Sequence[Record], known: RowComparisons) -> tuple[str, ...]:
    if not others:
        return ()
    best, *lower = (select.main_value(row) or 0.0 for row in (others[0], *tied))
    words, among = number((select.main_value(first) or 0.0) - best), ""
    if (score := score_getter(known, "behind")(others[0])) is not None and score.low is not None:
        common = "" if number(score.value) == words else f"; on the trainings that both have {number(score.value)}"
        alone = (given := score_getter(known, "among")(others[0])) is not None and given.value
        among = " among these networks" * bool(alone)
        rests = "of patients alone" if alone else "for new trainings and patients"
        words = f"{words}{common} [{number(score.low)}, {number(score.high)}] (95 % interval {rests})"
    why = " Some tied rows score less than it: their difference to the first varies more." * (
        min(lower, default=1) < best
    )
    return (f"The best row that is really behind{among} is {name(others[0])}, by {words}.{why}",)


def _over_prior(first: Record, rows: Sequence[Record], above: Score | None) -> tuple[str, ...]:
    if (prior := baseline_of(first, rows)) is None:
        return ()
    gap = ""
    if above is not None and above.value is not None:
        unclear = above.low is not None and above.low <= 0
        gap = f"; the first is {'not told apart from it' if unclear else 'above it'}: {signed(above)}"
    value = number(select.main_value(prior))
    return (f"`prior`, which only knows where other patients have the finding, has {value}{gap}.",)


def _optimism(first: Record) -> tuple[str, ...]:
    """What a threshold that is chosen on the scored truth would add to the first row."""
    score = first.find("optimism")
    if score is None or score.value is None:
        return ()
    return (
        f"Chosen on the truth that is scored, they would add {number(score.value)} to {name(first)}: its `optimism`.",
    )


def _another(entered: Sequence[Record], known: RowComparisons) -> tuple[str, ...]:
    first = entered[0]
    following, spread, trainings = (score_getter(known, word)(first) for word in ("one_more", "seed_sd", "trainings"))
    if is_single(first) or spread is None or trainings is None:
        return (
            "Nobody knows yet: the first row rests on one training, and patients alone decide. The order is that among "
            "these networks; small gaps may turn with another seed.",
            "Write `seeds: [0, 1, 2]` into the suite's file and run it again: rows then have intervals for new "
            "trainings.",
        )
    band = f"Fewer than {BAND_RUNS} trainings cannot say where one more of {name(first)} would score. "
    if following is not None:
        ends = f"between {number(following.low)} and {number(following.high)}"
        band = f"One more training of {name(first)} would score {ends} on these images (95 %). "
    return (
        f"{band}"
        f"Its {trainings.value:.0f} trainings spread by {number(spread.value)} (standard deviation)."
        f"{_first_when_drawn(score_getter(known, 'p_first')(first))}",
        f"Ties and intervals hold for new trainings and new patients{_but_for_single(entered)}.",
    )


def _first_when_drawn(share: Score | None) -> str:
    if share is None or share.value is None:
        return ""
    return f" With trainings and patients drawn anew it is first of its network in {100 * share.value:.0f} %."


def _but_for_single(entered: Sequence[Record]) -> str:
    """How many rows another training may still turn."""
    single = sum(map(is_single, entered))
    rest = f"{single} of {len(entered)} rows rest on one: there patients alone decide, and another seed may turn them"
    return f", of rows with several; {rest}" if single else ""
