"""Rows of the leaderboard: an entry is one method on all trainings of a recipe, which differ by their seed alone."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from benchmark.records import Record, Score
from benchmark.report import select
from core.names import MAIN, PAIRED

ENTRY, NETWORK, EFFECT = COMPARISONS = ("entry", "network", "effect")
"""The protocols of what ``benchmark.report.comparisons`` says of a row, of a network and of a method over networks.

No file has such a record.
"""
BETTER = "worse_by@"
"""Begins the metric that says by how much a row is worse than another; the name of that row follows."""

PLACE = "place"
"""Field of ``Record.data``: where a network or a method over networks stands in its table."""


def compared(records: Iterable[Record], dataset: str, protocol: str) -> list[Record]:
    """The records of protocol ``network`` or ``effect`` of a data set, in the order of their table."""
    mine = (r for r in records if r.cell.protocol == protocol and r.cell.dataset == dataset)
    return sorted(mine, key=lambda record: record.data[PLACE])


def mean_records(records: Iterable[Record]) -> list[Record]:
    """One record per entry: of one training its own, of several their mean.

    In the order in which the entries first appear.
    """
    return [mean_record(group) for group in trainings(records)]


def trainings(records: Iterable[Record]) -> list[list[Record]]:
    """The records of each entry, by seed.

    An entry is all that a cell states but for its training seed.

    >>> from benchmark.records import Cell
    >>> rows = [Record(cell=Cell(dataset="phantom", method="cam", seed=seed, recipe={"seed": seed})) for seed in (1, 0)]
    >>> [[record.cell.seed for record in group] for group in trainings(rows)]
    [[0, 1]]
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.source, record.cell.without_seed.key), []).append(record)
    return [sorted(group, key=lambda record: record.cell.seed or 0) for group in groups.values()]


def mean_record(group: Sequence[Record]) -> Record:
    """The mean of several trainings; a figure that is the same for all keeps its interval, others have none here.

    The interval over trainings and patients takes rows per case: see ``benchmark.report.comparisons.rows``.
    """
    return group[0] if len(group) == 1 else _mean_record(tuple(group))


@lru_cache(maxsize=1024)
def _mean_record(group: tuple[Record, ...]) -> Record:
    """Asked for once per table and chart of a page."""
    first = group[0]
    known = [{(s.finding, s.metric, s.threshold_origin): s for s in _shown(record)} for record in group]
    scores = tuple(_mean([scores.get(name) for scores in known], score) for name, score in known[0].items())
    digests = tuple(digest for record in group for digest in record.checkpoints)
    without = {"strata": (), "hits_by_threshold": ()}
    changed = {"cell": first.cell.without_seed, "scores": scores, "checkpoints": digests, **without}
    return first.model_copy(update=changed)


def network_of(record: Record) -> str:
    """A key that the records of a network share: all methods, training runs and protocols of one recipe."""
    blank = {"method": "", "protocol": "", "alignment": "", "data": {}}
    return record.cell.without_seed.model_copy(update=blank).key


def recipe_of(record: Record) -> tuple[object, ...]:
    """What all trainings of a recipe share, whatever their seed.

    A key to group by; methods of one network share it.
    """
    return (*select.model_of(record)[:-2], record.cell.model_of_any_seed)


def _shown(record: Record) -> list[Score]:
    """What a table of entries shows of a record."""
    return [*(s for s in record.select(finding="mean") if s.metric != MAIN), *record.select(MAIN)]


def comparisons_by_row(records: Iterable[Record], images: int | None) -> dict[tuple[object, ...], Record]:
    """Row -> the record of its comparisons: of protocol ``entry``, else ``paired``.

    ``images``: of the tables of a part; None for those of all images.
    """
    of_part = [record for record in records if record.cell.images == images]
    return {
        select.row_key(record): record
        for protocol in (PAIRED, ENTRY)
        for record in of_part
        if record.cell.protocol == protocol
    }


def _mean(scores: Sequence[Score | None], first: Score) -> Score:
    if all(score is not None and score.value == first.value and score == first for score in scores):
        return first
    lacking = len(scores) - len(select.defined_values(scores))
    return Score(
        finding=first.finding,
        metric=first.metric,
        value=None if lacking else select.mean(scores),
        n=first.n,
        threshold_origin=first.threshold_origin,
        reason=f"{lacking} of {len(scores)} trainings have none" if lacking else "",
    )
