"""Rows of the leaderboard. An entry is one method on all training runs of a recipe, which differ only by seed."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from benchmark.records import Record, Score
from benchmark.report import select
from core.names import MAIN, PAIRED

ENTRY, NETWORK, EFFECT = COMPARISONS = ("entry", "network", "effect")
"""Protocols of the comparisons of rows, of networks and of methods over networks. Such records are never stored."""
BETTER = "worse_by@"
"""Prefix of the metric that states by how much a row is worse than another, whose name follows."""

PLACE = "place"
"""Field of ``Record.data``: position of a network, or a method over networks, in its table."""


def compared(records: Iterable[Record], dataset: str, protocol: str) -> list[Record]:
    """Return the records of protocol ``network`` or ``effect`` of a data set, in the order of their table."""
    mine = (r for r in records if r.cell.protocol == protocol and r.cell.dataset == dataset)
    return sorted(mine, key=lambda record: record.data[PLACE])


def mean_records(records: Iterable[Record]) -> list[Record]:
    """Return one record per entry, the mean over its training runs, in the order of first appearance."""
    return [mean_record(group) for group in trainings(records)]


def trainings(records: Iterable[Record]) -> list[list[Record]]:
    """Group records into entries, sorted by seed. Cells of an entry differ only by their training seed.

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
    """Return the mean over training runs. A score that all runs share keeps its interval; others have none here.

    Intervals over training runs and patients need per-case rows: see ``benchmark.report.comparisons.rows``.
    """
    return group[0] if len(group) == 1 else _mean_record(tuple(group))


@lru_cache(maxsize=1024)
def _mean_record(group: tuple[Record, ...]) -> Record:
    """Cached: called once per table and chart of a page."""
    first = group[0]
    by_name = [{(s.finding, s.metric, s.threshold_origin): s for s in _table_scores(record)} for record in group]
    scores = tuple(_mean([scores.get(name) for scores in by_name], score) for name, score in by_name[0].items())
    digests = tuple(digest for record in group for digest in record.checkpoints)
    without = {"strata": (), "hits_by_threshold": ()}
    changed = {"cell": first.cell.without_seed, "scores": scores, "checkpoints": digests, **without}
    return first.model_copy(update=changed)


def network_of(record: Record) -> str:
    """Return a key that all methods, training runs and protocols of one recipe share."""
    blank = {"method": "", "protocol": "", "alignment": "", "data": {}}
    return record.cell.without_seed.model_copy(update=blank).key


def recipe_of(record: Record) -> tuple[object, ...]:
    """Return a key that all methods and training runs of a recipe share, whatever their seed."""
    return (*select.model_of(record)[:-2], record.cell.model_of_any_seed)


def _table_scores(record: Record) -> list[Score]:
    """Return the scores that a table of entries shows: all means, and the main column by finding."""
    return [*(s for s in record.select(finding="mean") if s.metric != MAIN), *record.select(MAIN)]


def comparisons_by_row(records: Iterable[Record], images: int | None) -> dict[tuple[object, ...], Record]:
    """Return row -> record of its comparisons (protocol ``entry``, else ``paired``).

    ``images``: size of the part of the images; None for all images.
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
        reason=f"{lacking} of {len(scores)} training runs have none" if lacking else "",
    )
