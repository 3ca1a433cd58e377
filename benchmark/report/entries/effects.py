"""Effect of a method over fixed networks: an entry for each method.

Only networks with two training runs or more count, and only pairs of methods that two or more of them have.

``networks``        number of networks that have the method
``may_be_best``     1 if no other method is significantly better over the networks (5%, Holm over the row's pairs)
``worse_by@NAME``   how much better the method NAME is: as in ``comparisons``. The same metric with the name
                    of a network in place of a finding is the difference in that network
"""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.records import Cell, Score
from benchmark.report.entries.comparisons import ordered_methods, verdict_scores
from benchmark.report.entries.entry import WORSE_BY, Entry, score
from benchmark.report.entries.networks import names
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics import mrmc
from benchmark.scoring.statistics.entries import EntryScores, Verdict
from benchmark.scoring.statistics.intervals import SMALLEST
from benchmark.scoring.statistics.mrmc import MrmcEstimate

Rows = Mapping[str, EntryScores]
"""Name of a network -> the scores of a method there."""


def effects(groups: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Return an entry for each method that two or more networks with several training runs have.

    ``groups``: rows of each network. Methods of most networks come first, then by mean, best first.
    """
    methods: dict[str, dict[str, EntryScores]] = {}
    behind: dict[str, list[Entry]] = {}
    for group, name in zip(groups, names(groups), strict=True):
        for row in ordered_methods(group):
            if row.by_patient is not None and len(row.by_patient.theta) > 1:
                methods.setdefault(row.method, {})[name] = row.by_patient
                behind.setdefault(row.method, []).append(row)
    entered = {
        name: rows
        for name, rows in methods.items()
        if any(_common(rows, other) for other in methods.values() if other is not rows)
    }
    if len(entered) < 2:
        return []
    means = {name: float(np.mean([row.theta.mean() for row in rows.values()])) for name, rows in entered.items()}
    order = sorted(entered, key=lambda name: (-len(entered[name]), -means[name], name))
    verdicts = statistics.verdicts(len(order), lambda a, b: over_networks(entered[order[a]], entered[order[b]]))
    return [_entry(behind[name], order, entered, v) for name, v in zip(order, verdicts, strict=True)]


def over_networks(one: Rows, other: Rows) -> MrmcEstimate | None:
    """Return how much better ``one`` is than ``other`` over the networks that have both; None for fewer than two.

    The same networks with new training runs and new patients: see ``statistics.mrmc.method_effect``.
    """
    pairs = [_difference(one[name], other[name]) for name in _common(one, other)]
    if not pairs or pairs[0][1].shape[1] < SMALLEST:
        return None
    return mrmc.method_effect(pairs)


def _common(one: Rows, other: Rows) -> list[str]:
    """Return the networks with two or more common training runs; empty if there are fewer than two."""
    networks = [name for name in one if name in other and len({*one[name].runs} & {*other[name].runs}) > 1]
    return networks if len(networks) > 1 else []


def _difference(one: EntryScores, other: EntryScores) -> tuple[np.ndarray, np.ndarray]:
    runs = [name for name in one.runs if name in other.runs]
    one, other = one.restrict(runs), other.restrict(runs)
    return one.theta - other.theta, one.jackknife - other.jackknife


def _entry(rows: Sequence[Entry], order: Sequence[str], methods: Mapping[str, Rows], verdict: Verdict) -> Entry:
    """Return the entry of one method over all networks, with its differences from the first method."""
    first = rows[0]
    mine = methods[first.method]
    made = [score("networks", float(len(mine))), *verdict_scores(verdict, order)]
    if verdict.compared_with is not None:
        made += _by_network(order[verdict.compared_with], methods[order[verdict.compared_with]], mine)
    names = {name: getattr(first.cell, name) for name in ("dataset", "partition", "split", "method")}
    runs = tuple(record for row in rows for record in row.runs)
    return Entry.model_construct(cell=Cell(**names), method_name=first.method_name, scores=tuple(made), runs=runs)


def _by_network(name: str, better: Rows, mine: Rows) -> list[Score]:
    gaps = {network: _difference(better[network], mine[network])[0].mean() for network in _common(better, mine)}
    return [score(f"{WORSE_BY}{name}", float(gap), finding=network) for network, gap in gaps.items()]
