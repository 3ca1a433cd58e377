"""A row of a table: a method on the training runs of one network, a network, or a method over several networks.

``Interval``     a value with its 95% interval
``Comparison``   how much better another row is, or how much better this row is than ``prior``
``Row``          a row; it is computed from records when tables are made, and never stored

``Row.of`` makes the row of any protocol or check; those of the main protocol are computed in ``leaderboard`` and
``comparisons``. Tables, pages, charts and data frames read their attributes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, Self

from locus.benchmark.records import Cell, Record
from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.scoring.statistics.mrmc import ALPHA, RowSamples
from locus.core import names
from locus.core.names import MAIN, backbone_words
from locus.core.scores import Score

IOU = tuple(f"hit@iou.{tenth}" for tenth in range(1, 8))
IOBB = tuple(f"hit@iobb.{level}" for level in ("1", "25", "5", "75", "9"))
POINTING = "pointing"
COLUMNS = (*IOU, *IOBB, POINTING)
"""Columns of the threshold table, as in the rows per case."""
UNSOLVED = f"{MAIN}, without solved findings"
"""Mean of the main column over the findings that ``prior`` does not solve; only if there are some that it solves."""
BOXED = "auroc@boxed"
"""AUROC of the classifier on the images with boxes."""
SOLVED = 0.9
"""Share of its cases from which ``prior`` solves a finding."""
WEAK_AUROC = 0.75
"""A classifier with a lower AUROC is marked as weak."""
NO_NETWORK = frozenset(names.UNRANKED_METHODS) - {names.UNTRAINED, *names.SUPERVISED}
"""Rows that do not use the network: baselines, upper bound and people."""


class Interval(NamedTuple):
    """A value, the ends of its 95% interval if it has one, and the number of cases behind it."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True)
class Comparison:
    """A difference between two rows on the same cases."""

    name: str
    """The other row."""
    difference: Interval
    p: float | None = None
    """Two-sided p-value, after Holm's correction."""


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a table."""

    kind: Literal["method", "network", "effect"]
    name: str
    runs: tuple[Record, ...]
    """Records from which it was computed, by seed."""
    scores: Mapping[str, Interval] = field(default_factory=dict)
    """Column -> mean over findings, then over training runs: ``COLUMNS``, ``UNSOLVED``, and others by their metric; of
    the main protocol only."""
    findings: Mapping[str, Interval] = field(default_factory=dict)
    """Finding -> the main column, mean over training runs."""
    auroc: float | None = None
    """Mean AUROC of the classifier over its training runs."""
    significantly_worse: bool | None = None
    """Whether another row is significantly better; None if nothing was compared."""
    best_other: Comparison | None = None
    """The better row: the best of the table or, if that is not significantly better, the best that is."""
    over_baselines: tuple[Comparison, ...] = ()
    """Differences from the baselines that see no image, ``BLIND``; p is the larger one of both, after Holm."""
    note: str = ""
    by_patient: RowSamples | None = None
    """Its main column by patient; None without rows per case or with other cases than the best row."""

    @classmethod
    def of(cls, runs: Sequence[Record]) -> Self:
        """Return the row of a method on the training ``runs`` of one network, by any protocol."""
        return cls("method", runs[0].method, tuple(runs))

    def find(self, metric: str, finding: str = "mean", threshold_source: str | None = None) -> Score | None:
        """Return the mean of a metric over training runs; see ``Record.find`` and ``select``."""
        first = self.runs[0].find(metric, finding, threshold_source)
        return None if first is None else self._over_runs(first)

    def value(self, metric: str, threshold_source: str | None = None) -> float | None:
        """Return the value of a metric, mean over findings and training runs; None if it has none."""
        scores = (record.find(metric, threshold_source=threshold_source) for record in self.runs)
        values = [score.value for score in scores if score is not None and score.value is not None]
        return sum(values) / len(values) if len(values) == len(self.runs) else None

    def select(self, finding: str) -> list[Score]:
        """Return the scores of a finding, mean over training runs.

        A score that all runs share keeps its interval; others have none, because ``scores`` has those over all runs.
        """
        return [self._over_runs(score) for score in self.runs[0].select(finding=finding)]

    def _over_runs(self, first: Score) -> Score:
        """Return the mean of a score of the first run over all runs; it has no value if one of them has none."""
        name = first.metric, first.finding, first.threshold_source
        scores = [first, *(record.find(*name) for record in self.runs[1:])]
        if all(score == first for score in scores):
            return first
        values = [score.value for score in scores if score is not None and score.value is not None]
        lacking = len(scores) - len(values)
        mean = None if lacking else sum(values) / len(values)
        reason = f"{lacking} of {len(scores)} training runs have no score" if lacking else ""
        return Score(first.finding, first.metric, mean, n=first.n, threshold_source=name[-1], reason=reason)

    @cached_property
    def cell(self) -> Cell:
        """The cell of its runs, without a seed if there are several."""
        first = self.runs[0].cell
        return first if len(self.runs) == 1 else first.without_seed

    @property
    def method(self) -> str:
        """Name of its method."""
        return self.runs[0].method

    @property
    def main(self) -> Interval:
        """The main column."""
        return self.scores.get(MAIN, Interval(None))

    def share(self, column: str) -> float | None:
        """Return the value of a column of the main protocol; None if it has none."""
        return self.scores[column].value if column in self.scores else None

    @property
    def is_method(self) -> bool:
        """Whether it is ranked: not a baseline, not an upper bound, not drawn by people."""
        return self.cell.method not in names.UNRANKED_METHODS

    @property
    def is_single(self) -> bool:
        """Whether it has one training run only. False for baselines that do not use the network."""
        return len(self.runs) == 1 and self.cell.seed is not None and self.cell.method not in NO_NETWORK

    @property
    def is_published(self) -> bool:
        """Whether it is a published row beside those of a user."""
        return self.runs[0].source == PUBLISHED

    @property
    def is_external(self) -> bool:
        """Whether it has maps or boxes made elsewhere, by an unknown network."""
        return "external" in self.cell.recipe

    @property
    def above_baselines(self) -> bool | None:
        """Whether it is significantly above all baselines of ``over_baselines``; None if that was not tested."""
        gaps = [gap for gap in self.over_baselines if gap.difference.low is not None or gap.p is not None]
        if not gaps:
            return None
        ends = (gap.difference.value if gap.difference.low is None else gap.difference.low for gap in gaps)
        return all((end or 0.0) > 0 for end in ends) and all(gap.p is None or gap.p <= ALPHA for gap in gaps)

    @property
    def in_top_group(self) -> bool | None:
        """Whether no other row is significantly better and it is above the baselines; None if nothing was compared."""
        return (
            None
            if self.significantly_worse is None
            else not self.significantly_worse and self.above_baselines is not False
        )

    @property
    def network(self) -> str:
        """Its network as a person reads it, such as ``small CNN with PCAM``."""
        return network_words(self.cell)

    @property
    def key_of_network(self) -> str:
        """Key that all methods and seeds of its network share."""
        return self.runs[0].cell.key_of_network


def run_names(runs: Sequence[Record]) -> tuple[str, ...]:
    """Return the digest of the weights of each run, or its model without a checkpoint: equal names, equal runs."""
    return tuple(" ".join(record.checkpoints) or record.cell.model_id for record in runs)


def network_words(cell: Cell) -> str:
    """Return backbone, pooling and, if it has one, attention; for maps or boxes made elsewhere, what they are.

    >>> network_words(Cell(dataset="phantom", backbone="custom", global_pool="PCAM", attention_map="none"))
    'small CNN with PCAM'
    >>> network_words(Cell(dataset="phantom", recipe={"external": {"kind": "boxes"}}))
    'own boxes'
    """
    if "external" in cell.recipe:
        return f"own {cell.recipe['external']['kind']}"
    words = [word for word in (cell.global_pool, cell.attention_map) if word not in ("", "none")]
    return " with ".join(filter(None, (backbone_words(cell.backbone), " and ".join(words)))) or "network unknown"


def runs_words(count: int) -> str:
    """Return a number of training runs in words.

    >>> runs_words(1), runs_words(3), runs_words(12)
    ('one training run', 'three training runs', '12 training runs')
    """
    spelled = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return f"{spelled[count] if count < len(spelled) else count} training run{'s' * (count != 1)}"


def by_score(rows: Iterable[Row]) -> list[Row]:
    """Return rows by the main column, best first; equal values by name, rows without a value last."""
    return sorted(rows, key=lambda row: (1 if row.main.value is None else -row.main.value, row.name))


def by_network(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return network -> its rows, in their order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.key_of_network, []).append(row)
    return groups
