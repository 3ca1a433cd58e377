"""Comparisons of the rows of a leaderboard: with baselines, within a network, between networks, and over networks.

``within_network``  the methods of a network, with each other and with the baselines that see no image
``networks``        a row per network: the mean over its methods, compared with the other networks
``effects``         a row per method: its difference from the others over fixed networks
``added``           a row per network and method of the protocol ``added``, compared with ``prior``

Several training runs are compared over runs and patients (``mrmc``), one run over patients alone: see
docs/protocols.md.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from locus.benchmark.records import Record, trainings
from locus.benchmark.report import grouping
from locus.benchmark.report.case_columns import MainColumn
from locus.benchmark.report.grouping import BOXED, NO_NETWORK, Row, by_network, by_score, runs_words
from locus.core.errors import BadValueError
from locus.core.names import ADDED, BLIND, MAIN, PRIOR, UPPER_BOUND, UPPER_BOUND_AND_PEOPLE
from locus.core.scores import Difference, Estimate
from locus.scoring.rechosen import as_jackknife
from locus.scoring.statistics import mrmc
from locus.scoring.statistics.mrmc import MrmcEstimate, RowSamples, Verdict, compared
from locus.scoring.statistics.resample import MIN_PATIENTS, holm

MAX_DIFFERENCE = 0.02
"""Networks are compared if the scores of ``truth`` on their grids differ by at most this."""
SPREAD, BOUND = "seed_sd", "bound"
"""Further scores of a row: standard deviation over training runs, and the score of ``truth`` on a network's grid."""


def within_network(rows: Sequence[Row], column: MainColumn | None) -> list[Row]:
    """Return the rows of one network with their comparisons and their spread over training runs.

    A row is compared with the others if it has the cases and training runs of the best row.
    """
    if column is None:
        return [_with_spread(row) for row in rows]
    gaps = (
        _one_run(rows, column)
        if all(row.is_single or not row.is_method for row in rows)
        else _runs(rows)
    )
    ranked = _by_patient(row for row in by_score(rows) if row.is_method)
    scored = {
        row: scores
        for row, scores in ranked.items()
        if scores.runs == next(iter(ranked.values())).runs
    }
    verdicts = mrmc.verdicts(len(scored), mrmc.gaps_between([*scored.values()]))
    verdict_of, names = dict(zip(scored, verdicts, strict=True)), [row.name for row in scored]
    found = {row: _fields(verdict_of.get(row, Verdict(None)), names) for row in rows}
    return [
        replace(_with_spread(row), **found[row], over_baselines=gaps.get(row, ())) for row in rows
    ]


def _with_spread(row: Row) -> Row:
    """Add the spread over training runs."""
    if row.by_patient is None or len(row.by_patient.theta) < 2:
        return row
    spread = Estimate(float(np.std(row.by_patient.theta, ddof=1)))
    return replace(row, scores={**row.scores, SPREAD: spread})


Gaps = dict[Row, tuple[Difference, ...]]
"""Row -> its differences from the baselines that see no image."""


def _runs(rows: Sequence[Row]) -> Gaps:
    """Compare the rows of a network over training runs and patients; Holm over the rows that use the network."""
    by_row = _by_patient(rows)
    estimates = {
        row: _from_baselines(scores, by_row) for row, scores in by_row.items() if _is_tested(row)
    }
    return _adjusted(estimates, [row for row in estimates if row.cell.method not in NO_NETWORK])


def _by_patient(rows: Iterable[Row]) -> dict[Row, RowSamples]:
    """Return the rows with a main column by patient."""
    return {row: row.by_patient for row in rows if row.by_patient is not None}


def _is_tested(row: Row) -> bool:
    return row.name not in (*BLIND, *UPPER_BOUND_AND_PEOPLE)


Estimates = Mapping[str, MrmcEstimate]
"""Baseline -> how much better a row is."""


def _from_baselines(scores: RowSamples, by_row: Mapping[Row, RowSamples]) -> Estimates:
    """Return the differences of ``scores`` from the baselines that see no image among the rows of its network."""
    baselines = {row.name: of_row for row, of_row in by_row.items() if row.name in BLIND}
    gaps = {name: compared(scores, baselines[name]) for name in BLIND if name in baselines}
    return {name: gap for name, gap in gaps.items() if gap is not None}


def _one_run(rows: Sequence[Row], column: MainColumn) -> Gaps:
    """Compare the rows of a network with one training run over patients: BCa and sign-flip test; Holm over all rows."""
    keys = {row: row.runs[0].key for row in rows if row.runs[0].key in column.columns}
    tested, sides = [row for row in keys if _is_tested(row)], dict[str, list[MrmcEstimate]]()
    for name, key in ((row.name, key) for row, key in keys.items() if row.name in BLIND and tested):
        gaps = mrmc.over_patients(column.sums([keys[row] for row in tested]), column.sums([key]))
        error = next(
            (
                row.by_patient.draw_error
                for row in keys
                if row.name == name and row.by_patient is not None
            ),
            0.0,
        )
        sides[name] = [mrmc.with_draw_error(gap, error) for gap in gaps]
    estimates = {
        row: {name: sides[name][n] for name in BLIND if name in sides}
        for n, row in enumerate(tested)
    }
    return _adjusted(estimates, tested if column.jackknife.shape[1] >= MIN_PATIENTS else [])


def _adjusted(
    estimates: Mapping[Any, Estimates], corrected: Sequence[Any]
) -> dict[Any, tuple[Difference, ...]]:
    """Return the differences of each row; p is the larger one of both baselines, after Holm over ``corrected`` rows."""
    largest = np.array(
        [max((gap.p for gap in estimates[row].values()), default=np.nan) for row in corrected]
    )
    p = dict(
        zip(corrected, (None if np.isnan(p) else p for p in holm(largest).tolist()), strict=True)
    )
    return {
        row: tuple(
            Difference(name, _interval(gap), p.get(row), _known(gap.p))
            for name, gap in gaps.items()
        )
        for row, gaps in estimates.items()
    }


def _known(p: float) -> float | None:
    return None if np.isnan(p) else p


def primary_first(
    groups: Sequence[Sequence[Row]], is_primary: Callable[[Row], bool]
) -> list[list[Row]]:
    """Return the rows of each network with p-values of which the primary rows come first.

    Holm's correction is over the primary rows of all networks, then over the other rows of each network. A row that is
    not primary is significant only if all primary rows are, so the error rate of 5% holds for all these rows together.

    ``groups``: rows of each network with their ``over_baselines``.
    """
    first = [
        row for group in groups for row in group if is_primary(row) and _largest_p(row) is not None
    ]
    of_first = _holm_of_rows(first)
    gate = max(of_first.values(), default=0.0)
    return [
        [_with_p(row, of_first, _of_others(group, first, gate)) for row in group]
        for group in groups
    ]


def _of_others(group: Sequence[Row], first: Sequence[Row], gate: float) -> dict[Row, float]:
    """Return the p-values of the corrected rows of a network that are not primary, at least ``gate``."""
    corrected = [
        row
        for row in group
        if row not in first and any(gap.p is not None for gap in row.over_baselines)
    ]
    return {row: max(p, gate) for row, p in _holm_of_rows(corrected).items()}


def _holm_of_rows(rows: Sequence[Row]) -> dict[Row, float]:
    """Return the larger p-value of both baselines of each row, after Holm's correction over the ``rows``."""
    largest = np.array([_largest_p(row) for row in rows], dtype=np.float64)
    return dict(zip(rows, holm(largest).tolist(), strict=True))


def _largest_p(row: Row) -> float | None:
    return max(
        (gap.single_p for gap in row.over_baselines if gap.single_p is not None), default=None
    )


def _with_p(row: Row, *corrected: Mapping[Row, float]) -> Row:
    """Return the row with its p-value in one of the ``corrected`` ones; other rows are unchanged."""
    p = next((values[row] for values in corrected if row in values), None)
    if p is None:
        return row
    return replace(row, over_baselines=tuple(gap._replace(p=p) for gap in row.over_baselines))


def _interval(estimate: MrmcEstimate) -> Estimate:
    low, high = (None if np.isnan(end) else end for end in (estimate.low, estimate.high))
    return Estimate(estimate.value, low, high)


def _fields(verdict: Verdict, names: Sequence[str]) -> dict[str, Any]:
    """Return a row's ``significantly_worse`` and ``best_other``; ``names``: the rows that were compared."""
    other, gap = verdict.compared_with, verdict.worse_by
    best = None if other is None or gap is None else Difference(names[other], _interval(gap), gap.p)
    return {"significantly_worse": verdict.significantly_worse, "best_other": best}


def networks(groups: Sequence[Sequence[Row]], rank_methods: Sequence[str]) -> list[Row]:
    """Return a row per network, best mean first.

    A network is represented by the mean over the ``rank_methods``: the score of its best method would be too high,
    because that method was selected. Networks are compared if they have similar grids (``by_grid``) and two or
    more training runs, and if they have all rank methods; the ``note`` of any other row says why it is not compared.
    Holm's correction is over all pairs of networks with similar grids.

    ``groups``: rows of each network; if one has maps or boxes made elsewhere, no row is returned.
    """
    entered = [group for group in groups if _scored(group)]
    if any(row.is_external for group in entered for row in group):
        return []
    rows = [_network(group, rank_methods) for group in entered]
    return by_score(row for grid in by_grid(rows) for row in _compared(grid))


def by_grid(rows: Sequence[Row]) -> list[list[Row]]:
    """Group networks whose grids limit the score alike: the scores of ``truth`` differ by at most ``MAX_DIFFERENCE``.

    Without a score of ``truth``, networks of one backbone and image size are a group.
    """
    limits: list[float] = []
    for bound in sorted({_bound(row) for row in rows}, reverse=True):
        limits += [bound] if not limits or limits[-1] - bound > MAX_DIFFERENCE else []
    groups: dict[object, list[Row]] = {}
    for row in rows:
        limit = min(limit for limit in limits if limit >= _bound(row))
        groups.setdefault(
            limit if BOUND in row.scores else (row.cell.backbone, row.cell.img_size), []
        ).append(row)
    return [*groups.values()]


def _bound(row: Row) -> float:
    bound = row.share(BOUND)
    return -1.0 if bound is None else bound


def _scored(group: Sequence[Row]) -> list[Row]:
    return [*_by_patient(row for row in group if row.is_method)]


def common_methods(groups: Sequence[Sequence[Row]]) -> list[str]:
    """Return the methods that are scored on all networks; ``groups``: rows of each network."""
    methods = [
        {row.cell.method for row in scored} for group in groups if (scored := _scored(group))
    ]
    return sorted(set.intersection(*methods)) if methods else []


def _network(rows: Sequence[Row], rank_methods: Sequence[str]) -> Row:
    """Return the row of a network before it is compared with others."""
    by_row = _by_patient(rows)
    by_name = {row.cell.method: row for row in by_row}
    ranked = [by_name[name] for name in rank_methods if name in by_name]
    lacking = [name for name in rank_methods if name not in by_name]
    scores = [by_row[row] for row in ranked]
    runs = {row.runs for row in scores}
    note = f"{', '.join(lacking)} not scored" if lacking else ""
    if not note and len(runs) > 1:
        note = "its methods were scored on different training runs"
    mean = None if note or not scores else mrmc.mean_of_rows(scores)
    values = {BOXED: rows[0].scores[BOXED]} if BOXED in rows[0].scores else {}
    if (
        bound := next((row.main.value for row in rows if row.name == UPPER_BOUND), None)
    ) is not None:
        values[BOUND] = Estimate(bound)
    if mean is not None:
        note = runs_words(1) if len(mean.theta) == 1 else ""
        values[MAIN] = (
            Estimate(float(mean.theta.mean()))
            if mean.interval is None
            else _interval(mean.interval)
        )
    first = ranked[0] if ranked else _scored(rows)[0]
    row = Row("network", first.network, first.runs, values, auroc=first.auroc, note=note)
    row = _with_spread(replace(row, by_patient=mean))
    gaps = {} if mean is None else _adjusted({row: _from_baselines(mean, by_row)}, [row])
    return replace(row, over_baselines=gaps.get(row, ()))


def _compared(grid: Sequence[Row]) -> list[Row]:
    """Return the rows of one grid with their comparisons."""
    rows = _by_patient(by_score(row for row in grid if not row.note))
    if len(rows) < 2:
        alone = "no other network has a similar grid and several training runs"
        return [replace(row, note=row.note or alone) for row in grid]
    both = zip(rows, mrmc.verdicts(len(rows), mrmc.gaps_between([*rows.values()])), strict=True)
    compared_rows = [
        replace(row, **_fields(verdict, [row.name for row in rows])) for row, verdict in both
    ]
    return [*compared_rows, *(row for row in grid if row not in rows)]


Rows = Mapping[str, RowSamples]
"""Network -> the scores of a method there."""


def effects(groups: Sequence[Sequence[Row]], of_networks: Sequence[Row]) -> list[Row]:
    """Return a row per method that all networks with several training runs and similar grids have, best mean first.

    The grids are those of most networks (``by_grid``).

    The networks are fixed: intervals are for new training runs of these networks and new patients. Holm's correction is
    over all pairs of methods and, for the differences from the baselines, over the methods.

    ``groups``: rows of each network. ``of_networks``: the rows of ``networks``.
    """
    groups = _on_similar_grids(groups, of_networks)
    several = (
        [row for row in _scored(of) if row.by_patient and len(row.by_patient.theta) > 1]
        for of in groups
    )
    networks = [{row.name: row for row in rows} for rows in several if rows]
    rows_of = {
        name: [rows[name] for rows in networks if name in rows]
        for rows in networks
        for name in rows
    }
    shared = {
        name: _by_network(rows) for name, rows in rows_of.items() if len(rows) == len(networks) > 1
    }
    if len(shared) < 2:
        return []
    means = {
        name: float(np.mean([row.theta.mean() for row in rows.values()]))
        for name, rows in shared.items()
    }
    blind = {
        word: _by_network(row for of in groups for row in of if row.name == word) for word in BLIND
    }
    gaps = {
        name: {
            word: gap for word, of in blind.items() if (gap := over_networks(rows, of)) is not None
        }
        for name, rows in shared.items()
    }
    above = _adjusted(gaps, [*gaps])
    order = sorted(shared, key=lambda name: (-means[name], name))
    pairs = itertools.combinations(range(len(order)), 2)
    between = {(a, b): over_networks(shared[order[a]], shared[order[b]]) for a, b in pairs}
    runs = {name: tuple(record for row in rows_of[name] for record in row.runs) for name in order}
    rows = (Row("effect", name, runs[name], {MAIN: Estimate(means[name])}) for name in order)
    compared_rows = zip(rows, mrmc.verdicts(len(order), between), strict=True)
    return [
        replace(r, **_fields(verdict, order), over_baselines=above[r.name])
        for r, verdict in compared_rows
    ]


def _by_network(rows: Iterable[Row]) -> Rows:
    return {row.network: scores for row, scores in _by_patient(rows).items()}


def _on_similar_grids(
    groups: Sequence[Sequence[Row]], of_networks: Sequence[Row]
) -> list[Sequence[Row]]:
    """Return the groups of the networks on the grids of most networks; all groups if there is no row of a network."""
    known = {row.key_of_network for group in groups for row in group}
    most = max(
        by_grid([row for row in of_networks if row.key_of_network in known]), key=len, default=()
    )
    alike = {row.key_of_network for row in most} or known
    return [group for group in groups if group[0].key_of_network in alike]


def over_networks(one: Rows, other: Rows) -> MrmcEstimate | None:
    """Return how much better ``one`` is on the same networks with new training runs and new patients.

    Networks count that have both, with two or more common training runs. None for fewer than two networks.
    """
    common = {
        name: [run for run in one[name].runs if run in other[name].runs]
        for name in one
        if name in other
    }
    pairs = [
        [side[name].restrict(runs) for side in (one, other)]
        for name, runs in common.items()
        if len(runs) > 1
    ]
    if len(pairs) < 2 or pairs[0][0].jackknife.shape[1] < MIN_PATIENTS:
        return None
    errors = [a.draw_error**2 + b.draw_error**2 for a, b in pairs]  # all networks share the draws
    return mrmc.method_effect(
        [(a.theta - b.theta, a.jackknife - b.jackknife) for a, b in pairs], max(errors)
    )


def above_baselines_at(
    rows: Sequence[Row], baselines: Sequence[Row], column: MainColumn
) -> list[Row]:
    """Return the rows that are significantly above all ``baselines`` on another column, after Holm over these rows.

    Raises ``BadValueError`` if a baseline has no rows per case.
    """
    by_row = {
        row: scores for row in (*rows, *baselines) if (scores := column.entry(row.runs)) is not None
    }
    if absent := [row.name for row in baselines if row not in by_row]:
        raise BadValueError(f"{absent[0]} has no rows per case on these cases")
    estimates = {row: _from_baselines(by_row[row], by_row) for row in rows if row in by_row}
    tested = [
        replace(row, over_baselines=gaps)
        for row, gaps in _adjusted(estimates, [*estimates]).items()
    ]
    return [row for row in tested if row.above_baselines]


def compared_with(row: Row, others: Sequence[Row]) -> Iterator[tuple[Row, Difference]]:
    """Yield each other row on the same cases with how much better it is than ``row``, after Holm's correction."""
    gaps = {
        o: compared(of, row.by_patient)
        for o, of in _by_patient(others).items()
        if row.by_patient is not None
    }
    estimates = {other: gap for other, gap in gaps.items() if gap is not None}
    adjusted = holm(np.array([gap.p for gap in estimates.values()])).tolist()
    for (other, gap), p in zip(estimates.items(), adjusted, strict=True):
        yield other, Difference(row.name, _interval(gap), p)


ALONE, COMBINED, WEIGHT = "alone", "combined", "weight"
"""Metrics of the protocol ``added``, beside its main one."""


def added(
    records: Sequence[Record], dataset: str, is_primary: Callable[[Row], bool] | None = None
) -> list[Row]:
    """Return a row per network and method that ``added`` scored, best first, methods before baselines.

    The difference from ``prior`` is in ``over_baselines``, with Holm's correction over the methods of a network;
    ``is_primary``: whether a row is tested before the others.
    """
    groups = trainings(grouping.of_protocol(records, dataset, ADDED))
    scored = grouping.told_apart([_added_row(group) for group in groups])
    compared = [_added_of_network(group) for group in by_network(scored).values()]
    if is_primary is not None:
        compared = primary_first(compared, is_primary)
    return [row for group in compared for row in sorted(group, key=added_place)]


def _added_row(runs: Sequence[Record]) -> Row:
    """Return the row of the ``runs``: means over findings, then over training runs."""
    row = Row.of(runs)
    scores = {name: Estimate(row.value(name)) for name in (ALONE, COMBINED, ADDED, WEIGHT)}
    return replace(row, scores=scores)


def added_place(row: Row) -> tuple[bool, float, str]:
    """Return the place of a row: methods first, then by what they add, best first."""
    value = row.share(ADDED)
    return not row.is_method, 1.0 if value is None else -value, row.name


def _added_of_network(group: Sequence[Row]) -> list[Row]:
    """Return the rows of a network with their intervals and p-values."""
    found = {row: estimate for row in group if (estimate := _added_estimate(row)) is not None}
    tested = [row for row in found if row.is_method]
    gaps = _adjusted({row: {PRIOR: estimate} for row, estimate in found.items()}, tested)
    return [_with_added(row, found.get(row), gaps.get(row, ())) for row in group]


def _with_added(row: Row, estimate: MrmcEstimate | None, gaps: tuple[Difference, ...]) -> Row:
    if estimate is None:
        return row
    n = row.find(ADDED)
    interval = Estimate(estimate.value, estimate.low, estimate.high, 0 if n is None else n.n)
    return replace(row, scores={**row.scores, ADDED: interval}, over_baselines=gaps)


def _added_estimate(row: Row) -> MrmcEstimate | None:
    """Return the difference from ``prior`` over training runs and patients; None without resamples or few patients.

    A resample of patients chooses the weight and the thresholds again, unless another suite chose them.
    """
    scores = [record.find(ADDED) for record in row.runs]
    theta = [
        score.value
        for score in scores
        if score is not None and score.value is not None and score.low is not None
    ]
    if len(theta) < len(row.runs) or len({len(record.resampled) for record in row.runs}) > 1:
        return None
    resampled = as_jackknife(np.array([record.resampled for record in row.runs]))
    compare = mrmc.difference if len(theta) > 1 else mrmc.difference_nested
    return compare((theta, resampled), (np.zeros(len(theta)), np.zeros_like(resampled)))
