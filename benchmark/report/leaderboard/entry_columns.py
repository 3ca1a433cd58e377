"""The columns of a leaderboard that say what its rows are worth over trainings and patients."""

from collections.abc import Callable, Mapping

from benchmark.records.record import Record
from benchmark.records.score import Score
from benchmark.report import select
from benchmark.report.columns import BLIND, TableColumn
from benchmark.report.table import NOTHING, number, share, with_interval
from core.names import MAIN

RowComparisons = Mapping[tuple[object, ...], Record]
"""Row -> the record of its comparisons: see ``entries.comparisons_by_row``."""
HEADINGS = SINGLE, SPREAD, ONE_MORE, TRAININGS, TIED, AMONG = (
    *("of this network [95 %]", "sd over trainings", "one more training [95 %]", "trainings"),
    *("tied with first", "among these networks"),
)


def score_getter(known: RowComparisons, metric: str, finding: str = "mean") -> Callable[[Record], Score | None]:
    """A function from a record to the score ``metric`` of its row's comparisons.

    The function gives None where the row has none.
    """

    def pick(record: Record) -> Score | None:
        row = select.row_key(record)
        return known[row].find(metric, finding) if row in known else None

    return pick


def main_score_getter(known: RowComparisons, finding: str = "mean") -> Callable[[Record], Score | None]:
    """A function from a record to its main score: over trainings where there are several.

    Else that of this network alone, over patients.
    """
    over_trainings = score_getter(known, MAIN, finding)
    return lambda record: over_trainings(record) or select.main_score(record, finding)


def of_entries(known: RowComparisons) -> list[TableColumn]:
    """The main column and what stands beside it.

    Interval of this network, spread over trainings, where one more would lie, how many there are, tied with the first.
    """
    spread, following = score_getter(known, "seed_sd"), score_getter(known, "one_more")

    def main(record: Record) -> str:
        score = main_score_getter(known)(record)
        return f"{share(score)} (1 training)" if is_single(record) and score is not None else with_interval(score)

    return [
        TableColumn(f"{MAIN} [95 %]", main, pick=main_score_getter(known)),
        TableColumn(SINGLE, lambda r: _ends(select.main_score(r)) if is_single(r) else NOTHING, "optional"),
        TableColumn(SPREAD, lambda r: share(spread(r)), "optional"),
        TableColumn(ONE_MORE, lambda r: _ends(following(r)), "optional"),
        TableColumn(TRAININGS, lambda r: _count(score_getter(known, "trainings")(r)), "model"),
        TableColumn(TIED, lambda r: _verdict(known, r, alone=False), "optional"),
        TableColumn(AMONG, lambda r: _verdict(known, r, alone=True), "optional"),
    ]


def is_single(record: Record) -> bool:
    """Whether a row is of one training, which another would contradict; what sees no network has no such doubt."""
    return record.cell.seed is not None and record.cell.method not in BLIND


def _ends(score: Score | None) -> str:
    known = score is not None and score.low is not None
    return f"[{number(score.low)}, {number(score.high)}]" if score is not None and known else NOTHING


def _count(score: Score | None) -> str:
    return NOTHING if score is None or score.value is None else str(int(score.value))


def _verdict(known: RowComparisons, record: Record, alone: bool) -> str:
    tied, among = (score_getter(known, metric)(record) for metric in ("tied", "among"))
    if tied is None or among is None or bool(among.value) != alone:
        return NOTHING
    return "tied" if tied.value else "behind"
