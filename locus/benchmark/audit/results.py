"""Published results on NIH's boxes beside ``fixed_box``, a box that never sees the image.

``Box``                shares of hits of ``fixed_box``, resampled by patient
``mean_over``, ``gap`` the share of hits of a record, and its difference from ``Box``
``published``          the reviewed results with a share of hits

Nothing is interpolated: a share has a value where the paper gives one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from locus.benchmark.baselines import why_unranked
from locus.benchmark.records.record import Cell, Record
from locus.benchmark.report import grouping
from locus.benchmark.report.grouping import (
    IOBB,
    IOU,
    SOLVED,
)
from locus.core.names import FIXED_BOX, MAIN
from locus.core.scores import Estimate, Score
from locus.core.types import FloatArray
from locus.scoring.statistics import resample

COLUMNS = (*IOU, *IOBB)
MEAN = "mean"
TRAINED_ON = "trained on"

Hits = tuple[dict[str, FloatArray], list[str], list[str]]
"""Column -> hits (N,), and the finding and patient of each case."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Box:
    """Shares of hits of ``fixed_box`` by finding and column."""

    record: Record
    counts: Mapping[str, int]
    """Finding -> number of cases."""
    columns: Mapping[str, resample.Resampled]
    """Column -> shares (F,), resampled by patient."""

    @classmethod
    def of(cls, hits: Hits) -> "Box":
        """Make it from the hits of its cases."""
        columns, findings, patients = hits
        names = tuple(sorted(set(findings)))
        values = np.stack([*columns.values()], 1)
        sums = resample.by_patient(values, np.ones_like(values), findings, patients, names)
        drawn = resample.bootstrap_draws(sums)
        return cls(
            record=record_of_hits(FIXED_BOX, hits),
            counts={name: findings.count(name) for name in names},
            columns={name: drawn[:, n] for n, name in enumerate(columns)},
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings, sorted."""
        return tuple(self.counts)

    def over(self, column: str, names: Sequence[str]) -> resample.Resampled:
        """Return the shares of a column for some of the findings."""
        return self.columns[column][[self.findings.index(name) for name in names]]

    @cached_property
    def solved(self) -> tuple[str, ...]:
        """The solved findings: it hits a share of at least ``SOLVED`` of their cases."""
        shares = zip(self.findings, self.columns[MAIN].value.tolist(), strict=True)
        return tuple(name for name, share in shares if share >= SOLVED)

    @property
    def rest(self) -> tuple[str, ...]:
        """The other findings."""
        return tuple(name for name in self.findings if name not in self.solved)

    @property
    def without_solved(self) -> str:
        """The words ``without`` and the solved findings."""
        return f"without {grouping.listed(self.solved)}"


def record_of_hits(name: str, hits: Hits | None, label: str = "") -> Record:
    """Return a record with the shares of hits by finding; without scores if there are no ``hits``."""
    scores: list[Score] = []
    if hits is not None:
        columns, findings, _ = hits
        for column, values in columns.items():
            for finding in sorted(set(findings)):
                is_of_finding = np.array(findings) == finding
                score = Score(finding, column, n=int(is_of_finding.sum()))
                mean = float(values[is_of_finding].mean())
                scores.append(score._replace(value=mean))  # not rounded
    return Record(cell=Cell(dataset="", method=name), method_name=label, scores=tuple(scores))


def find_share(record: Record, column: str, finding: str = MEAN) -> Score | None:
    """Return a share of hits and its number of cases, 0 if that is unknown; papers also call it ``acc``."""
    for name in (column, column.replace("hit@", "acc@")):
        score = record.find(name, finding)
        if score is not None and score.value is not None:
            return score
    return None


def mean_over(record: Record, column: str, names: Sequence[str], box: Box) -> float | None:
    """Return the mean of a column over some findings.

    Args:
        record: a published result.
        column: the metric, such as ``hit@iou.3``.
        names: the findings.
        box: the results of ``fixed_box`` on the same truth.

    Returns:
        The mean as a share in [0,1]; None if the paper does not give it.
    """
    mean = find_share(record, column)
    if mean is not None and len(names) == len(box.findings):
        return mean.value
    shares = [find_share(record, column, name) for name in names]
    values = [score.value or 0.0 for score in shares if score is not None]
    return float(np.mean(values)) if len(values) == len(names) else None


def gap(record: Record, column: str, names: Sequence[str], box: Box) -> Estimate | None:
    """Return how much a result is above ``fixed_box``, in the mean over some findings.

    Args:
        record: a published result.
        column: the metric, such as ``hit@iou.3``.
        names: the findings.
        box: the results of ``fixed_box`` on the same truth.

    Returns:
        The difference; it has no interval unless it was scored on the cases of ``fixed_box``. None without a value.
    """
    value = mean_over(record, column, names, box)
    if value is None or record is box.record:
        return None
    of_box = box.over(column, names)
    counts = [box.counts[name] for name in names]
    shares = [find_share(record, column, name) for name in names]
    scored = [score for score in shares if score is not None]
    if [score.n for score in scored] == counts:
        values = [score.value or 0.0 for score in scored]
        return resample.independent_difference(values, counts, of_box)
    mean = find_share(record, column)
    if mean is None or mean.n != sum(counts):
        counts = [0] * len(names)
    return resample.independent_difference(value, counts, of_box)


def findings_of(record: Record, columns: Sequence[str]) -> set[str]:
    """Return the findings, also ``mean``, that have a share of one of the columns; empty without such a value."""
    scores = (score for score in record.scores if score.value is not None)
    return {score.finding for score in scores if score.metric.replace("acc@", "hit@") in columns}


def is_second_hand(record: Record) -> bool:
    """Return whether another paper quotes it."""
    return record.reference is not None and record.reference.hand == "second"


def result_name(record: Record) -> str:
    """Return the name of a result; whether it is from an abstract."""
    is_abstract = record.reference is not None and record.reference.table == "abstract"
    return f"{record.method} (abstract)" if is_abstract else record.method


def trained_on(record: Record) -> str:
    """Return what a paper's network was trained on, or what a baseline knows."""
    if record.reference is not None:
        return record.reference.supervision
    if TRAINED_ON in record.rests_on:
        return str(record.rests_on[TRAINED_ON])
    if record.source == "external":
        return "yours"
    return why_unranked(record.cell.method).removeprefix("baseline: ")


def published(records: Sequence[Record]) -> list[Record]:
    """Return the ``reviewed`` papers that have a column."""
    return [record for record in reviewed(records) if findings_of(record, COLUMNS)]


def reviewed(records: Sequence[Record]) -> list[Record]:
    """Return the first-hand, then the second-hand papers, each by year; none that is grey."""
    papers = [
        record
        for record in records
        if record.reference is not None and record.reference.hand != "grey"
    ]
    return sorted(papers, key=by_hand_and_year)


def by_hand_and_year(record: Record) -> tuple[object, ...]:
    """Return the key that sorts papers: first-hand before second-hand, then by year and name."""
    reference = record.reference
    return () if reference is None else (reference.hand, reference.year, record.method)
