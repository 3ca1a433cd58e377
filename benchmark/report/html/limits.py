"""What a leaderboard does not show, as far as its records tell."""

from collections.abc import Sequence

from benchmark.records import Record
from benchmark.report.html.words import name
from benchmark.report.leaderboard.entry_columns import is_single
from core.names import MAIN

DRAWN = {
    "drawn by code": "The images are drawn. Their truth is exact, but they are no radiographs: an order here need not "
    "hold on patients.",
    "drawn into radiographs": "The findings are drawn into radiographs: an order here need not hold for real ones.",
}
NETWORK = (
    "Why a network says what it says: a map may hit the box and still not show what the network used "
    "(suites `randomised`, `shortcut` and `faithfulness`)."
)
OTHERS = "Other hospitals, other findings, other boxes. Nothing here is for use on patients."


def limits(entered: Sequence[Record], behind: Sequence[Record]) -> tuple[str, ...]:
    """Sentences on what the order of the ``entered`` rows does not show; ``behind``: the records of each training.

    Another training where the first row has one; another ranking by pointing; other networks; images that are drawn.
    """
    seeds = ["What another training of these networks would give."] if is_single(entered[0]) else []
    return (*of_data(behind), *seeds, *_by_pointing(entered), NETWORK, OTHERS)


def of_data(records: Sequence[Record]) -> list[str]:
    """Sentences on images that are not radiographs as they came.

    One for each ``source`` that the data set states.
    """
    sources = dict.fromkeys(str(record.data.get("source")) for record in records)
    return [DRAWN[source] for source in sources if source in DRAWN]


def _by_pointing(entered: Sequence[Record]) -> list[str]:
    """Whether another measure has another first."""
    values = {row.key: s.value for row in entered if (s := row.find("pointing")) is not None and s.value is not None}
    if not values:
        return []
    best = max((row for row in entered if row.key in values), key=lambda row: values[row.key])
    if best is entered[0]:
        return [f"Whether boxes at other overlaps agree: the order is that of `{MAIN}`."]
    return [f"That the first is best by every measure: by `pointing` it is {name(best)} with {values[best.key]:.3f}."]
