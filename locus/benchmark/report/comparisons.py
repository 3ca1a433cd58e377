"""Comparisons of the rows of a leaderboard: with ``prior``, within a network, between networks, and over networks.

``within_network``  the methods of a network, with each other and with ``prior``
``networks``        a row per network: the mean over its methods, compared with the other networks
``effects``         a row per method: its difference from the others over fixed networks

Several training runs are compared over runs and patients (``mrmc``), one run over patients alone: see
docs/protocols.md.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from locus.benchmark.report.case_columns import MainColumn
from locus.benchmark.report.row import BOXED, NO_NETWORK, Comparison, Interval, Row, by_score, runs_words
from locus.benchmark.scoring.statistics import mrmc
from locus.benchmark.scoring.statistics.mrmc import ALPHA, MrmcEstimate, RowSamples, Verdict, compared
from locus.benchmark.scoring.statistics.resample import SMALLEST, holm
from locus.core.errors import BadValueError
from locus.core.names import FIXED_BOX, MAIN, PRIOR, UPPER_BOUND

ALIKE = 0.02
"""Networks are compared if the scores of ``truth`` on their grids differ by at most this."""
SPREAD, BOUND = "seed_sd", "bound"
"""Further scores of a row: standard deviation over training runs, and the score of ``truth`` on a network's grid."""


def within_network(rows: Sequence[Row], column: MainColumn | None) -> list[Row]:
    """Return the rows of one network with ``beaten``, ``behind``, ``prior`` and their spread over training runs."""
    if column is None:
        return [_with_spread(row) for row in rows]
    gaps = _one_run(rows, column) if all(row.is_single or not row.is_method for row in rows) else _runs(rows)
    scored = [row for row in by_score(rows) if row.is_method and row.by_patient is not None]
    scores = [row.by_patient for row in scored if row.by_patient is not None]
    verdicts = mrmc.verdicts(len(scores), mrmc.gaps_between(scores))
    verdict_of = dict(zip(scored, verdicts, strict=True))
    names = [row.name for row in scored]
    return [
        replace(_with_spread(row), **_beaten(verdict_of.get(row, Verdict(None)), names), prior=gaps.get(row))
        for row in rows
    ]


def _with_spread(row: Row) -> Row:
    """Add the spread over training runs."""
    if row.by_patient is None or len(row.by_patient.theta) < 2:
        return row
    spread = Interval(float(np.std(row.by_patient.theta, ddof=1)))
    return replace(row, scores={**row.scores, SPREAD: spread})


Gaps = dict[Row, Comparison]
"""Row -> its difference from ``prior``."""


def _runs(rows: Sequence[Row]) -> Gaps:
    """Compare the rows of a network over training runs and patients; Holm over the rows that use the network."""
    by_row = {row: row.by_patient for row in rows if row.by_patient is not None}
    prior = next((scores for row, scores in by_row.items() if row.name == PRIOR), None)
    if prior is None:
        return {}
    others = [row for row in by_row if row.name not in (PRIOR, UPPER_BOUND)]
    estimates = {row: gap for row in others if (gap := compared(by_row[row], prior)) is not None}
    seeing = [row for row in estimates if row.cell.method not in NO_NETWORK]
    adjusted = dict(zip(seeing, holm(np.array([estimates[row].p for row in seeing])).tolist(), strict=True))
    return {row: Comparison(PRIOR, _interval(e), adjusted.get(row)) for row, e in estimates.items()}


def _one_run(rows: Sequence[Row], column: MainColumn) -> Gaps:
    """Compare the rows of a network with one training run over patients: BCa and sign-flip test.

    Holm's correction is over all rows except ``fixed_box``, which shows where findings are, as ``prior`` does.
    """
    keys = {row: row.runs[0].key for row in rows if row.name != UPPER_BOUND and row.runs[0].key in column.columns}
    prior = next((key for row, key in keys.items() if row.name == PRIOR), None)
    others = [row for row in keys if row.name != PRIOR]
    if prior is None or not others:
        return {}
    estimates = mrmc.over_patients(column.sums([keys[row] for row in others]), column.sums([prior]))
    p = holm(np.array([np.nan if row.name == FIXED_BOX else e.p for row, e in zip(others, estimates, strict=True)]))
    enough = column.jackknife.shape[1] >= SMALLEST
    return {
        row: Comparison(PRIOR, _interval(e), float(adjusted) if enough and np.isfinite(adjusted) else None)
        for row, e, adjusted in zip(others, estimates, p, strict=True)
    }


def _interval(estimate: MrmcEstimate) -> Interval:
    low, high = (None if np.isnan(end) else end for end in (estimate.low, estimate.high))
    return Interval(estimate.value, low, high)


def _beaten(verdict: Verdict, names: Sequence[str]) -> dict[str, Any]:
    """Return a row's ``beaten`` and ``behind``; ``names``: the rows that were compared."""
    other, gap = verdict.compared_with, verdict.worse_by
    behind = None if other is None or gap is None else Comparison(names[other], _interval(gap), gap.p)
    return {"beaten": verdict.beaten, "behind": behind}


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
    """Group networks whose grids limit the score alike: the scores of ``truth`` there differ by at most ``ALIKE``.

    Without a score of ``truth``, networks of one backbone and image size are a group.
    """
    limits: list[float] = []
    for bound in sorted({_bound(row) for row in rows}, reverse=True):
        limits += [bound] if not limits or limits[-1] - bound > ALIKE else []
    groups: dict[object, list[Row]] = {}
    for row in rows:
        limit = min(limit for limit in limits if limit >= _bound(row))
        groups.setdefault(limit if BOUND in row.scores else (row.cell.backbone, row.cell.img_size), []).append(row)
    return [*groups.values()]


def _bound(row: Row) -> float:
    bound = row.share(BOUND)
    return -1.0 if bound is None else bound


def _scored(group: Sequence[Row]) -> list[Row]:
    return [row for row in group if row.is_method and row.by_patient is not None]


def common_methods(groups: Sequence[Sequence[Row]]) -> list[str]:
    """Return the methods that are scored on all networks; ``groups``: rows of each network."""
    methods = [{row.cell.method for row in scored} for group in groups if (scored := _scored(group))]
    return sorted(set.intersection(*methods)) if methods else []


def _network(rows: Sequence[Row], rank_methods: Sequence[str]) -> Row:
    """Return the row of a network before it is compared with others."""
    by_name = {row.cell.method: row for row in rows if row.by_patient is not None}
    ranked = [by_name[name] for name in rank_methods if name in by_name]
    lacking = [name for name in rank_methods if name not in by_name]
    scores = [row.by_patient for row in ranked if row.by_patient is not None]
    runs = {row.runs for row in scores}
    note = f"{', '.join(lacking)} not scored" if lacking else ""
    if not note and len(runs) > 1:
        note = "its methods were scored on different training runs"
    mean = None if note or not scores else mrmc.mean_of_rows(scores)
    values = {BOXED: rows[0].scores[BOXED]} if BOXED in rows[0].scores else {}
    if (bound := next((row.main.value for row in rows if row.name == UPPER_BOUND), None)) is not None:
        values[BOUND] = Interval(bound)
    if mean is not None:
        note = runs_words(1) if len(mean.theta) == 1 else ""
        values[MAIN] = Interval(float(mean.theta.mean())) if mean.interval is None else _interval(mean.interval)
    first = ranked[0] if ranked else _scored(rows)[0]
    row = Row("network", first.network, first.runs, values, auroc=first.auroc, note=note)
    row = _with_spread(replace(row, by_patient=mean))
    prior = by_name[PRIOR].by_patient if PRIOR in by_name else None
    gap = None if mean is None or prior is None else compared(mean, prior)
    return row if gap is None else replace(row, prior=Comparison(PRIOR, _interval(gap), gap.p))


def _compared(grid: Sequence[Row]) -> list[Row]:
    """Return the rows of one grid with their comparisons."""
    rows = by_score(row for row in grid if not row.note and row.by_patient is not None)
    if len(rows) < 2:
        alone = "no other network has a similar grid and several training runs"
        return [replace(row, note=row.note or alone) for row in grid]
    scores = [row.by_patient for row in rows if row.by_patient is not None]
    verdicts = mrmc.verdicts(len(rows), mrmc.gaps_between(scores), per_row=False)
    names = [row.name for row in rows]
    both = zip(rows, verdicts, strict=True)
    return [
        *(replace(row, **_beaten(verdict, names)) for row, verdict in both),
        *(row for row in grid if row not in rows),
    ]


Rows = Mapping[str, RowSamples]
"""Network -> the scores of a method there."""


def effects(groups: Sequence[Sequence[Row]]) -> list[Row]:
    """Return a row per method that all networks with several training runs have, best mean first.

    The networks are fixed: intervals are for new training runs of these networks and new patients. Holm's correction is
    over the comparisons of a row and, for the differences from ``prior``, over the methods.

    ``groups``: rows of each network.
    """
    networks = [several for group in groups if (several := _of_several_runs(group))]
    rows_of = {name: [rows[name] for rows in networks if name in rows] for rows in networks for name in rows}
    shared = {
        name: {row.network: row.by_patient for row in rows if row.by_patient is not None}
        for name, rows in rows_of.items()
        if len(rows) == len(networks) > 1
    }
    if len(shared) < 2:
        return []
    means = {name: float(np.mean([row.theta.mean() for row in rows.values()])) for name, rows in shared.items()}
    prior = {row.network: row.by_patient for of in groups for row in of if row.name == PRIOR and row.by_patient}
    gaps = {name: gap for name, rows in shared.items() if (gap := over_networks(rows, prior)) is not None}
    adjusted = holm(np.array([gap.p for gap in gaps.values()])).tolist()
    above = {name: Comparison(PRIOR, _interval(gap), p) for (name, gap), p in zip(gaps.items(), adjusted, strict=True)}
    order = sorted(shared, key=lambda name: (-means[name], name))
    pairs = itertools.combinations(range(len(order)), 2)
    between = {(a, b): over_networks(shared[order[a]], shared[order[b]]) for a, b in pairs}
    return [
        Row(
            "effect",
            name,
            tuple(record for row in rows_of[name] for record in row.runs),
            {MAIN: Interval(means[name])},
            **_beaten(verdict, order),
            prior=above.get(name),
        )
        for name, verdict in zip(order, mrmc.verdicts(len(order), between), strict=True)
    ]


def _of_several_runs(group: Sequence[Row]) -> dict[str, Row]:
    """Return method -> its row, of the methods with several training runs."""
    return {row.name: row for row in _scored(group) if row.by_patient is not None and len(row.by_patient.theta) > 1}


def over_networks(one: Rows, other: Rows) -> MrmcEstimate | None:
    """Return how much better ``one`` is on the same networks with new training runs and new patients.

    Networks count that have both, with two or more common training runs. None for fewer than two networks.
    """
    common = {name: [run for run in one[name].runs if run in other[name].runs] for name in one if name in other}
    pairs = [[side[name].restrict(runs) for side in (one, other)] for name, runs in common.items() if len(runs) > 1]
    if len(pairs) < 2 or pairs[0][0].jackknife.shape[1] < SMALLEST:
        return None
    return mrmc.method_effect([(a.theta - b.theta, a.jackknife - b.jackknife) for a, b in pairs])


def above_prior_at(rows: Sequence[Row], prior: Row, column: MainColumn) -> list[Row]:
    """Return the rows that are significantly above ``prior`` on another column, after Holm over these rows.

    Raises ``BadValueError`` if ``prior`` has no rows per case.
    """
    base = column.entry(prior.runs)
    if base is None:
        raise BadValueError("prior has no rows per case on these cases")
    entries = {row: scores for row in rows if (scores := column.entry(row.runs)) is not None}
    gaps = {row: gap for row, scores in entries.items() if (gap := compared(scores, base)) is not None}
    adjusted = holm(np.array([gap.p for gap in gaps.values()])).tolist()
    return [row for (row, gap), p in zip(gaps.items(), adjusted, strict=True) if gap.low > 0 and p <= ALPHA]


def compared_with(row: Row, others: Sequence[Row]) -> Iterator[tuple[Row, Comparison]]:
    """Yield each other row on the same cases with how much better it is than ``row``, after Holm's correction."""
    scored = {other: other.by_patient for other in others if other.by_patient is not None}
    gaps = {o: compared(of, row.by_patient) for o, of in scored.items() if row.by_patient is not None}
    estimates = {other: gap for other, gap in gaps.items() if gap is not None}
    adjusted = holm(np.array([gap.p for gap in estimates.values()])).tolist()
    for (other, gap), p in zip(estimates.items(), adjusted, strict=True):
        yield other, Comparison(row.name, _interval(gap), p)
