"""An entry: one method on all training runs of a recipe, which differ only by seed."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from pydantic import InstanceOf

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.scoring.statistics.entries import EntryScores
from core.names import MAIN, UNRANKED_METHODS, UNTRAINED

WORSE_BY = "worse_by@"
"""Prefix of a metric: how much worse a row is than the row named after it."""
NO_NETWORK = frozenset(UNRANKED_METHODS) - {UNTRAINED}
"""Rows that do not use the network (baselines, upper bound, people): equal rows of several networks are merged."""


class Entry(Record):
    """A row of a leaderboard: a method within a network, a network, or a method over networks.

    Its scores are means over its training runs, with an interval over runs and patients if there are several, then the
    comparisons with other rows: see ``aggregate``, ``networks`` and ``effects``. It is never stored.
    """

    runs: tuple[Record, ...] = ()
    """Records of its training runs, by seed."""
    by_patient: InstanceOf[EntryScores] | None = None
    """Its main column by patient; None without per-case rows or with other cases than the best row."""

    @cached_property
    def mean(self) -> Record:
        """Mean over its training runs, without comparisons."""
        return mean_record(self.runs)


RowScore = tuple[Entry, list[Score]]
"""A row and its comparisons."""


def score(
    metric: str, value: float | None, low: float | None = None, high: float | None = None, finding: str = "mean"
) -> Score:
    """Return a score at cross-fitted thresholds; nan ends become None."""
    low, high = (None if end is None or np.isnan(end) else end for end in (low, high))
    return Score(finding=finding, metric=metric, value=value, low=low, high=high, threshold_origin="cross-fitted")


def is_single(record: Record) -> bool:
    """Whether a row has one training run only. False for baselines that do not use the network."""
    return record.cell.seed is not None and record.cell.method not in NO_NETWORK


def run_count(record: Record) -> int | None:
    """Return the number of training runs of a row's method or network."""
    score = record.find("trainings")
    return None if score is None or score.value is None else int(score.value)


def worse_by(record: Record, finding: str = "mean") -> tuple[str, Score | None]:
    """Return the name of the better row and the difference; empty for the top row and if nothing was compared."""
    metric = next((name for name, _ in record.names(finding=finding) if name.startswith(WORSE_BY)), "")
    return metric.removeprefix(WORSE_BY), record.find(metric, finding) if metric else None


def entry(runs: Sequence[Record], by_patient: EntryScores | None) -> Entry:
    """Return the row of ``runs`` before it is compared with others: the mean of their scores."""
    return Entry.model_construct(**{**mean_record(runs).__dict__, "runs": tuple(runs), "by_patient": by_patient})


def with_comparisons(row: Entry, comparisons: Sequence[Score]) -> Entry:
    """Return a row with the scores of its ``comparisons`` after its own.

    A comparison that has the main metric replaces the mean's: it has the interval over runs and patients.
    """
    over_runs = {(s.metric, s.finding, s.threshold_origin): s for s in comparisons if s.metric == MAIN}
    means = (over_runs.get((s.metric, s.finding, s.threshold_origin), s) for s in row.scores)
    return row.model_copy(update={"scores": (*means, *(s for s in comparisons if s.metric != MAIN))})


def trainings(records: Iterable[Record]) -> list[list[Record]]:
    """Group records into entries, sorted by seed. Cells of an entry differ only by their training seed.

    >>> from benchmark.records import Cell
    >>> rows = [Record(cell=Cell(dataset="phantom", method="cam", seed=seed, recipe={"seed": seed})) for seed in (1, 0)]
    >>> [[record.cell.seed for record in group] for group in trainings(rows)]
    [[0, 1]]
    """
    groups = select.grouped(records, lambda record: (record.source, record.cell.without_seed.key))
    return [sorted(group, key=lambda record: record.cell.seed or 0) for group in groups.values()]


def mean_records(records: Iterable[Record]) -> list[Record]:
    """Return one record per entry, the mean over its training runs, in the order of first appearance."""
    return [mean_record(group) for group in trainings(records)]


def mean_record(group: Sequence[Record]) -> Record:
    """Return the mean over training runs. A score that all runs share keeps its interval; others have none here.

    Intervals over training runs and patients need per-case rows: see ``aggregate``.
    """
    first = group[0]
    if len(group) == 1:
        return first
    by_name = [{(s.finding, s.metric, s.threshold_origin): s for s in _table_scores(record)} for record in group]
    scores = tuple(_mean([scores.get(name) for scores in by_name], score) for name, score in by_name[0].items())
    digests = tuple(digest for record in group for digest in record.checkpoints)
    without = {"strata": (), "hits_by_threshold": ()}
    changed = {"cell": first.cell.without_seed, "scores": scores, "checkpoints": digests, **without}
    return first.model_copy(update=changed)


def _table_scores(record: Record) -> list[Score]:
    """Return the scores that a table of entries shows: all means, and the main column by finding."""
    return [*(s for s in record.select(finding="mean") if s.metric != MAIN), *record.select(MAIN)]


def _mean(scores: Sequence[Score | None], first: Score) -> Score:
    """Return the mean over training runs; it has no value if one of them has none."""
    if all(score is not None and score.value == first.value and score == first for score in scores):
        return first
    lacking = len(scores) - len(select.defined_values(scores))
    return Score(
        finding=first.finding,
        metric=first.metric,
        value=None if lacking else select.mean(scores),
        n=first.n,
        threshold_origin=first.threshold_origin,
        reason=f"{lacking} of {len(scores)} training runs have no score" if lacking else "",
    )
