"""Comparison of networks: an entry for each.

A network is represented by the mean over the suite's ``rank_methods``. The score of its best method would be biased,
because that method was selected. Networks are compared if they have the same grid (the same scores of ``truth``) and
two or more training runs, and if all rank methods were scored on all images. The ``reason`` of any other entry says why
it is not compared.

``hit@iou.3``       mean over the rank methods, with its interval over training runs and patients
``may_be_best``     1 if no other network of the grid is significantly better (5 %, Holm over all pairs of the grid)
``worse_by@NAME``   how much worse it is than the network NAME: see ``methods``
``p_first``         probability of being the best of its grid
``above_prior``     difference from ``prior`` on the same training runs
``bound``           score of ``truth``: the upper bound of the grid
``share_of_bound``  the mean divided by the bound
``trainings``, ``seed_sd``  training runs, and the standard deviation of their means over the rank methods
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmark.records import Score
from benchmark.report import select
from benchmark.report.entries.entry import Entry, score
from benchmark.report.entries.main_column import ScoredRow
from benchmark.report.entries.methods import ordered_methods, verdict_scores
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.entries import EntryScores
from core.names import LIMIT, MAIN, PRIOR

RANK_METHODS = "rank_methods"
"""Field of ``Record.data``: the methods that the mean is over."""


@dataclass(frozen=True, eq=False)
class _Network:
    """The rows of one network, and its mean over the methods that rank networks."""

    rows: Sequence[ScoredRow]
    name: str
    rank_methods: tuple[str, ...]

    @cached_property
    def of(self) -> dict[str, ScoredRow]:
        """Method -> its row, if its cases are stored; of several rows, the one with the most training runs."""
        return {row.mean.cell.method: row for row in sorted(self.rows, key=lambda row: len(row.runs)) if row.by_patient}

    @cached_property
    def reason(self) -> str:
        """Why it cannot be compared; empty if it can."""
        if lacking := [name for name in self.rank_methods if name not in self.of]:
            return f"{', '.join(lacking)} not scored on all images"
        trainings = {entry.trainings for entry in self._ranked}
        if len(trainings) > 1:
            return "its rank methods were scored on different training runs"
        return "1 training run" if len(next(iter(trainings), ("",))) == 1 else ""

    @property
    def _ranked(self) -> list[EntryScores]:
        return [entry for name in self.rank_methods if (row := self.of.get(name)) and (entry := row.by_patient)]

    @cached_property
    def mean(self) -> EntryScores | None:
        """Mean over the rank methods; None if one is missing or their training runs differ."""
        alone = self.reason in ("", "1 training run")
        return statistics.mean_of_rows(self._ranked) if self.rank_methods and alone else None

    @cached_property
    def value(self) -> float:
        """Mean over its training runs, for sorting."""
        return -1.0 if self.mean is None else float(self.mean.theta.mean())

    @cached_property
    def bound(self) -> float | None:
        """Score of ``truth`` on its grid."""
        truth = next((row.mean for row in self.rows if row.mean.cell.method == LIMIT), None)
        return None if truth is None else select.main_value(truth)

    @property
    def grid(self) -> tuple[object, ...]:
        """Key that networks with the same grid share."""
        cell = self.rows[0].mean.cell
        return (cell.backbone, cell.img_size) if self.bound is None else (round(self.bound, 6),)


def networks(groups: Sequence[Sequence[ScoredRow]], rank_methods: Sequence[str] = ()) -> list[Entry]:
    """Return an entry per network, in the order of the table: by grid, best first, then those not compared.

    ``groups``: rows of each network. Default ``rank_methods``: the methods that all networks have.
    """
    entered = [group for group in groups if ordered_methods(group)]
    wanted = tuple(rank_methods) or _common(entered)
    all_networks = [_Network(group, name, wanted) for group, name in zip(entered, names(entered), strict=True)]
    grids: dict[tuple[object, ...], list[_Network]] = {}
    for network in sorted(all_networks, key=lambda n: -n.value):
        grids.setdefault(network.grid, []).append(network)
    order = sorted(grids.values(), key=lambda grid: (-sum(not n.reason for n in grid), -(grid[0].bound or 0.0)))
    return [network for grid in order for network in _of_grid(grid)]


def names(groups: Sequence[Sequence[ScoredRow]]) -> list[str]:
    """Return the names of the networks: backbone, pooling and attention, plus the size if needed to be unique."""
    records = [group[0].mean for group in groups]
    short = [select.network(record) for record in records]
    return [
        name if short.count(name) == 1 else f"{name} {record.cell.img_size} px"
        for name, record in zip(short, records, strict=True)
    ]


def _common(groups: Sequence[Sequence[ScoredRow]]) -> tuple[str, ...]:
    """Return the methods that all networks have."""
    methods = [{row.mean.cell.method for row in ordered_methods(group)} for group in groups]
    return tuple(sorted(set.intersection(*methods))) if methods else ()


def _of_grid(grid: Sequence[_Network]) -> list[Entry]:
    """Return the entries of one grid: compared networks first, then those that cannot be compared."""
    means = [(n, n.mean) for n in grid if not n.reason and n.mean is not None]
    scores = [mean for _, mean in means]
    verdicts = statistics.verdicts(len(means), lambda a, b: statistics.compared(scores[a], scores[b]), per_row=False)
    shares = statistics.probability_of_best([[mean] for mean in scores]).tolist() if len(means) > 1 else []
    by_name = {n.name: verdict_scores(v, [n.name for n, _ in means]) for (n, _), v in zip(means, verdicts, strict=True)}
    for (n, _), p in zip(means, shares, strict=False):
        by_name[n.name].append(score("p_first", p))
    not_compared = [n for n in grid if n.name not in by_name]
    return [_entry(n, by_name.get(n.name, [])) for n in (*(n for n, _ in means), *not_compared)]


def _entry(network: _Network, comparisons: Sequence[Score]) -> Entry:
    """Return the entry of a network; its training runs are those of the rank methods, or all if it has no mean."""
    first = network.rows[0].mean
    cell = first.cell.without_seed.model_copy(update={"method": "", "protocol": ""})
    data = {RANK_METHODS: list(network.rank_methods), "name": network.name}
    rows = network.rows if network.mean is None else [network.of[name] for name in network.rank_methods]
    runs = tuple(record for row in rows for record in row.runs)
    scores = (*_of_mean(network), *comparisons)
    return Entry.model_construct(
        cell=cell, source=first.source, reason=network.reason, data=data, scores=scores, runs=runs
    )


def _of_mean(network: _Network) -> list[Score]:
    """Return the scores of a network's row: its mean with interval, the spread over seeds, and the upper bound."""
    made = [score("trainings", float(max(len(row.runs) for row in network.rows)))]
    if network.bound is not None:
        made.append(score("bound", network.bound))
    if (mean := network.mean) is None:
        return made
    interval = mean.interval
    ends = (None, None) if interval is None else (interval.low, interval.high)
    made.append(score(MAIN, network.value, *ends))
    if len(mean.theta) > 1:
        made.append(score("seed_sd", float(np.std(mean.theta, ddof=1))))
    if network.bound:
        made.append(score("share_of_bound", network.value / network.bound))
    prior = row.by_patient if (row := network.of.get(PRIOR)) else None
    if prior is not None and (gap := statistics.compared(mean, prior)) is not None:
        made.append(score("above_prior", gap.value, gap.low, gap.high))
    return made
