"""An entry: one method on all training runs of a recipe, which differ only by seed; order and notes of entries.

``Entry``        a row of a leaderboard, built by ``entry`` as the mean over its runs; ``trainings`` groups the records
``ranked``       the order of the rows
``may_be_best``, ``notes``  the verdict on a row, and its notes: baseline, upper bound, not above a baseline, failed

Comparisons between entries are in ``comparisons``; all entries of a suite are made in ``leaderboard``.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
from pydantic import InstanceOf

from locus.benchmark.records import Record, Score
from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.report import select
from locus.benchmark.report.select import listed, main_value, model_key, network
from locus.benchmark.scoring.statistics.entries import ALPHA, EntryScores
from locus.core import names

WORSE_BY = "worse_by@"
"""Prefix of a metric: how much worse a row is than the row named after it."""
NO_NETWORK = frozenset(names.UNRANKED_METHODS) - {names.UNTRAINED}
"""Rows that do not use the network (baselines, upper bound, people): equal rows of several networks are merged."""


class Entry(Record):
    """A row of a leaderboard: a method within a network, a network, or a method over networks.

    Its scores are means over its training runs, with an interval over runs and patients if there are several, then the
    comparisons with other rows: see ``locus.benchmark.report.comparisons``. It is never stored.
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
    over_runs = {(s.metric, s.finding, s.threshold_origin): s for s in comparisons if s.metric == names.MAIN}
    means = (over_runs.get((s.metric, s.finding, s.threshold_origin), s) for s in row.scores)
    return row.model_copy(update={"scores": (*means, *(s for s in comparisons if s.metric != names.MAIN))})


def trainings(records: Iterable[Record]) -> list[list[Record]]:
    """Group records into entries, sorted by seed. Cells of an entry differ only by their training seed.

    >>> from locus.benchmark.records import Cell
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

    Intervals over training runs and patients need per-case rows: see ``locus.benchmark.report.leaderboard``.
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
    return [*(s for s in record.select(finding="mean") if s.metric != names.MAIN), *record.select(names.MAIN)]


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


BELOW_PRIOR, NOT_SHOWN = "below prior", "not shown to be above prior"
Row = TypeVar("Row", bound=Record)
NOT_RANKED = {
    **dict.fromkeys(names.BASELINES, "baseline"),
    names.PRIOR: "baseline: knows other patients' boxes",
    names.UNTRAINED: "baseline: the same network with random weights",
    names.UPPER_BOUND: "upper bound: sees the truth",
    names.READERS: "upper bound: each reader's boxes against the others', no threshold",
    names.SECOND_READERS: "another team of radiologists, no threshold",
}


def ranked(records: Iterable[Row]) -> list[Row]:
    """Sort rows by the main column, best first; rows without a value follow, then the upper bounds.

    Equal values are sorted by network, then by method.
    """

    def order(r: Record) -> tuple[bool, float, str, str]:
        value = main_value(r)
        return (
            r.cell.method in names.UPPER_BOUND_AND_PEOPLE,
            1.0 if value is None else -value,
            network(r),
            r.cell.method,
        )

    return sorted(records, key=order)


def beaten_by(record: Record, records: Iterable[Record]) -> list[str]:
    """Return the baselines of the same network that score higher than a record, best first."""
    value, model = main_value(record), model_key(record)
    rivals = [
        r for r in records if r.cell.method in names.BASELINES and model_key(r) == model and main_value(r) is not None
    ]
    return [] if value is None else [r.cell.method for r in ranked(rivals) if (main_value(r) or 0.0) > value]


def best(records: Iterable[Row]) -> Row | None:
    """Return the method with the best main column, or None. Baselines and upper bounds do not count as methods."""
    entered = [r for r in records if select.is_method(r) and main_value(r) is not None]
    return ranked(entered)[0] if entered else None


def against_prior(record: Record, finding: str = "mean") -> str:
    """Return a note unless a row is significantly above ``prior``: after Holm's correction if it has ``p_holm``.

    >>> from locus.benchmark.records import Cell, Score
    >>> above = Score(finding="mean", metric="above_prior", value=0.01, low=-0.02, high=0.04)
    >>> against_prior(Record(cell=Cell(dataset="phantom", method="cam"), scores=(above,)))
    'not shown to be above prior'
    """
    above, p = record.find("above_prior", finding), record.find("p_holm", finding)
    if above is None or above.value is None:
        return ""
    significant = p is None or p.value is None or p.value <= ALPHA
    if significant and above.high is not None and above.high < 0:
        return BELOW_PRIOR
    clear = above.value > 0 if above.low is None else above.low > 0
    return "" if clear and significant else NOT_SHOWN


def may_be_best(record: Record) -> bool:
    """Return whether no other row is significantly better; a row below ``prior`` is never called the best."""
    verdict = record.find("may_be_best")
    return verdict is not None and bool(verdict.value) and against_prior(record) != BELOW_PRIOR


def notes(record: Record, records: Sequence[Record]) -> str:
    """Return the notes of a row (baseline, upper bound, not above a baseline, failed), joined by semicolons.

    >>> from locus.benchmark.records import Cell
    >>> notes(Record(cell=Cell(dataset="phantom", method="prior")), [])
    "baseline: knows other patients' boxes"
    """
    sentences = [NOT_RANKED.get(record.cell.method, ""), PUBLISHED if record.source == PUBLISHED else ""]
    if select.is_method(record):
        rivals = [
            name for name in beaten_by(record, records) if name != names.PRIOR or record.find("above_prior") is None
        ]
        sentences += [against_prior(record), f"lower score than {listed(rivals)}" if rivals else ""]
    if record.cell.method == names.SECOND_READERS:
        sentences.append(record.reason)
    if record.status == "failed":
        sentences.append(f"failed: {record.reason}")
    return "; ".join(filter(None, sentences))
