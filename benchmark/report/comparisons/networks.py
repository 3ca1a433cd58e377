"""Comparison of networks: a record of protocol ``network`` for each.

A network is represented by the mean over the suite's ``rank_methods``, never by its best method, which was selected.
Networks are compared with each other where they have the same grid (the same scores of ``truth``), all rank methods on
all images, and two or more training runs; any other record says in ``reason`` why it stands apart.

``hit@iou.3``       mean over the rank methods, with its interval over training runs and patients
``may_be_best``     1 where no other network of the grid is significantly better (5 %, Holm over all pairs of the grid)
``worse_by@NAME``   how much better the network NAME is: see ``comparisons.methods``
``p_first``         probability of being the best of its grid
``above_prior``     difference to ``prior`` on the same training runs
``bound``           score of ``truth``: the upper bound that the grid allows
``share_of_bound``  the mean divided by it
``trainings``, ``seed_sd``  training runs, and the standard deviation of their means over the rank methods
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.comparisons.main_column import BoardRow
from benchmark.report.comparisons.methods import ordered_methods, score, verdict_scores
from benchmark.report.leaderboard.entries import NETWORK, PLACE
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.entries import EntryScores
from core.names import LIMIT, MAIN, PRIOR

MAY_BE_BEST = "may_be_best"
RANK_METHODS = "rank_methods"
"""Field of ``Record.data``: the methods that the mean is over."""
BEHIND = "records"
"""Field of ``Record.data``: the keys of the records of training runs that the row rests on."""


@dataclass(frozen=True, eq=False)
class _Network:
    rows: Sequence[BoardRow]
    name: str
    rank_methods: tuple[str, ...]

    @cached_property
    def of(self) -> dict[str, BoardRow]:
        """Name of a method -> its row with per-case rows; of several, the one with most training runs."""
        return {row.record.cell.method: row for row in sorted(self.rows, key=lambda row: len(row.group)) if row.entry}

    @cached_property
    def reason(self) -> str:
        """Why it cannot be compared; empty if it can."""
        if lacking := [name for name in self.rank_methods if name not in self.of]:
            return f"lacks {', '.join(lacking)} on all images"
        trainings = {entry.trainings for entry in self._ranked}
        if len(trainings) > 1:
            return "its rank methods were scored on different training runs"
        return "1 training run" if len(next(iter(trainings), ("",))) == 1 else ""

    @property
    def _ranked(self) -> list[EntryScores]:
        return [entry for name in self.rank_methods if (row := self.of.get(name)) and (entry := row.entry)]

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
        truth = next((row.record for row in self.rows if row.record.cell.method == LIMIT), None)
        return None if truth is None else select.main_value(truth)

    @property
    def grid(self) -> tuple[object, ...]:
        """Key that networks with the same grid share."""
        cell = self.rows[0].record.cell
        return (cell.backbone, cell.img_size) if self.bound is None else (round(self.bound, 6),)


def networks(groups: Sequence[Sequence[BoardRow]], rank_methods: Sequence[str] = ()) -> list[Record]:
    """Return a record per network, in the order of the table: by grid, best first, then those not compared.

    ``groups``: rows of each network. Default ``rank_methods``: the methods that all networks have.
    """
    entered = [group for group in groups if ordered_methods(group)]
    wanted = tuple(rank_methods) or _common(entered)
    all_networks = [_Network(group, name, wanted) for group, name in zip(entered, names(entered), strict=True)]
    grids: dict[tuple[object, ...], list[_Network]] = {}
    for network in sorted(all_networks, key=lambda n: -n.value):
        grids.setdefault(network.grid, []).append(network)
    order = sorted(grids.values(), key=lambda grid: (-sum(not n.reason for n in grid), -(grid[0].bound or 0.0)))
    return in_place([record for grid in order for record in _of_grid(grid)])


def in_place(records: Sequence[Record]) -> list[Record]:
    """Return the records, each with its position in ``data``."""
    return [record.model_copy(update={"data": {**record.data, PLACE: n}}) for n, record in enumerate(records)]


def names(groups: Sequence[Sequence[BoardRow]]) -> list[str]:
    """Return the names of the networks: backbone, pooling and attention, plus the size if needed to be unique."""
    records = [group[0].record for group in groups]
    short = [select.network(record) for record in records]
    return [
        name if short.count(name) == 1 else f"{name} {record.cell.img_size} px"
        for name, record in zip(short, records, strict=True)
    ]


def _common(groups: Sequence[Sequence[BoardRow]]) -> tuple[str, ...]:
    """Return the methods that all networks have."""
    methods = [{row.record.cell.method for row in ordered_methods(group)} for group in groups]
    return tuple(sorted(set.intersection(*methods))) if methods else ()


def _of_grid(grid: Sequence[_Network]) -> list[Record]:
    """Return the records of one grid: compared networks first, then those that cannot be compared."""
    means = [(n, n.mean) for n in grid if not n.reason and n.mean is not None]
    scores = [mean for _, mean in means]
    verdicts = statistics.verdicts(len(means), lambda a, b: statistics.compared(scores[a], scores[b]), per_row=False)
    shares = statistics.probability_of_best([[mean] for mean in scores]).tolist() if len(means) > 1 else []
    by_name = {n.name: verdict_scores(v, [n.name for n, _ in means]) for (n, _), v in zip(means, verdicts, strict=True)}
    for (n, _), p in zip(means, shares, strict=False):
        by_name[n.name].append(score("p_first", p))
    apart = [n for n in grid if n.name not in by_name]
    return [_record(n, by_name.get(n.name, [])) for n in (*(n for n, _ in means), *apart)]


def _record(network: _Network, comparison_scores: Sequence[Score]) -> Record:
    first = network.rows[0].record
    cell = first.cell.without_seed.model_copy(update={"method": "", "protocol": NETWORK})
    data = {RANK_METHODS: list(network.rank_methods), "name": network.name, BEHIND: _keys(network)}
    scores = [*_of_mean(network), *comparison_scores]
    return Record(cell=cell, source=first.source, reason=network.reason, data=data, scores=tuple(scores))


def _keys(network: _Network) -> list[str]:
    """Return the keys of the records behind the mean, or of all records if there is no mean."""
    rows = network.rows if network.mean is None else [network.of[name] for name in network.rank_methods]
    return [record.key for row in rows for record in row.group]


def _of_mean(network: _Network) -> list[Score]:
    made = [score("trainings", float(max(len(row.group) for row in network.rows)))]
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
    prior = network.of.get(PRIOR)
    if prior is not None and prior.entry is not None and (gap := statistics.compared(mean, prior.entry)) is not None:
        made.append(score("above_prior", gap.value, gap.low, gap.high))
    return made
