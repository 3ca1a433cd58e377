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

from locus.benchmark.baselines import blind, is_blind, is_reference, is_without_network
from locus.benchmark.records import Record, trainings
from locus.benchmark.report import grouping
from locus.benchmark.report.case_columns import MainColumn
from locus.benchmark.report.grouping import BOXED, Row, by_network, by_score, runs_words
from locus.core.errors import BadValueError
from locus.core.names import ADDED, ALONE, COMBINED, MAIN, PRIOR, UPPER_BOUND, WEIGHT
from locus.core.scores import Difference, Estimate
from locus.scoring.rechosen import as_jackknife
from locus.scoring.statistics import mrmc
from locus.scoring.statistics.mrmc import MrmcEstimate, RowSamples, compared
from locus.scoring.statistics.resample import MIN_PATIENTS, holm

MAX_DIFFERENCE = 0.02
"""Networks are compared if the scores of ``truth`` on their grids differ by at most this."""
SPREAD = "seed_sd"
"""Score of a row: standard deviation over training runs."""
BOUND = "bound"
"""Score of the row of a network: that of ``truth`` on its grid."""
OTHER_RUNS = "its methods were scored on different training runs"
NO_SIMILAR_NETWORK = "no other network has a similar grid and several training runs"

Gaps = dict[Row, tuple[Difference, ...]]
"""Row -> its differences from the baselines that see no image."""
Estimates = Mapping[str, MrmcEstimate]
"""Baseline -> how much better a row is."""
SamplesByNetwork = Mapping[str, RowSamples]
"""Network -> the scores of a method there."""


def within_network(rows: Sequence[Row], column: MainColumn | None) -> list[Row]:
    """Return the rows of one network with their comparisons and their spread over training runs.

    A row is compared with the others if it has the cases and training runs of the best row.
    """
    if column is None:
        return [_with_spread(row) for row in rows]
    has_one_run = all(row.is_single or not row.is_method for row in rows)
    gaps = _gaps_of_one_run(rows, column) if has_one_run else _gaps_of_several_runs(rows)
    ranked = _by_patient(row for row in by_score(rows) if row.is_method)
    runs_of_best = next((scores.runs for scores in ranked.values()), ())
    scored = {row: scores for row, scores in ranked.items() if scores.runs == runs_of_best}
    verdicts = _with_verdicts([*scored], mrmc.gaps_between([*scored.values()]))
    return [
        replace(
            _with_spread(verdicts.get(row, row)),
            over_baselines=gaps.get(row, ()),
        )
        for row in rows
    ]


def _with_verdicts(rows: Sequence[Row], gaps: mrmc.Gaps) -> dict[Row, Row]:
    """Return each row -> the same, with the verdict on it; ``rows`` are sorted, best first."""
    verdicts = {}
    for row, verdict in zip(rows, mrmc.verdicts(len(rows), gaps), strict=True):
        best_other = None
        if verdict.compared_with is not None and verdict.worse_by is not None:
            name = rows[verdict.compared_with].name
            best_other = Difference(name, _estimate(verdict.worse_by), verdict.worse_by.p)
        verdicts[row] = replace(
            row, significantly_worse=verdict.significantly_worse, best_other=best_other
        )
    return verdicts


def _with_spread(row: Row) -> Row:
    """Add the spread over training runs."""
    if row.by_patient is None or len(row.by_patient.theta) < 2:
        return row
    spread = Estimate(float(np.std(row.by_patient.theta, ddof=1)))
    return replace(row, scores={**row.scores, SPREAD: spread})


def _gaps_of_several_runs(rows: Sequence[Row]) -> Gaps:
    """Compare the rows of a network over training runs and patients; Holm over the rows that use the network."""
    by_row = _by_patient(rows)
    estimates = {
        row: _from_baselines(scores, by_row) for row, scores in by_row.items() if _is_tested(row)
    }
    return _adjusted(
        estimates, [row for row in estimates if not is_without_network(row.cell.method)]
    )


def _by_patient(rows: Iterable[Row]) -> dict[Row, RowSamples]:
    """Return the rows with a main column by patient."""
    return {row: row.by_patient for row in rows if row.by_patient is not None}


def _is_tested(row: Row) -> bool:
    return not is_blind(row.name) and not is_reference(row.name)


def _from_baselines(scores: RowSamples, by_row: Mapping[Row, RowSamples]) -> Estimates:
    """Return the differences of ``scores`` from the baselines that see no image among the rows of its network."""
    baselines = {row.name: samples for row, samples in by_row.items() if is_blind(row.name)}
    gaps = {name: compared(scores, baselines[name]) for name in blind() if name in baselines}
    return {name: gap for name, gap in gaps.items() if gap is not None}


def _gaps_of_one_run(rows: Sequence[Row], column: MainColumn) -> Gaps:
    """Compare the rows of a network with one training run over patients: BCa and sign-flip test; Holm over all rows."""
    scored = [row for row in rows if row.runs[0].key in column.columns]
    tested = [row for row in scored if _is_tested(row)]
    if not tested:
        return {}
    sums = column.sums([row.runs[0].key for row in tested])
    by_baseline: dict[str, list[MrmcEstimate]] = {}
    for baseline in scored:
        if is_blind(baseline.name):
            gaps = mrmc.over_patients(sums, column.sums([baseline.runs[0].key]))
            error = 0.0 if baseline.by_patient is None else baseline.by_patient.draw_error
            by_baseline[baseline.name] = [mrmc.with_draw_error(gap, error) for gap in gaps]
    estimates = {
        row: {name: by_baseline[name][n] for name in blind() if name in by_baseline}
        for n, row in enumerate(tested)
    }
    has_enough_patients = column.jackknife.shape[1] >= MIN_PATIENTS
    return _adjusted(estimates, tested if has_enough_patients else [])


def _adjusted(
    estimates: Mapping[Any, Estimates], corrected: Sequence[Any]
) -> dict[Any, tuple[Difference, ...]]:
    """Return the differences of each row; p is the larger one of both baselines, after Holm over ``corrected`` rows.

    A row with an undefined p-value of a baseline, or without a baseline, has no p and does not count in Holm's number.
    """
    largest = []
    for row in corrected:
        p_of_baselines = [gap.p for gap in estimates[row].values()]
        # unlike max(), np.max is nan if one of them is
        largest.append(float(np.max(p_of_baselines)) if p_of_baselines else np.nan)
    p_values = dict(zip(corrected, holm(np.array(largest)).tolist(), strict=True))
    differences = {}
    for row, gaps in estimates.items():
        p = _not_nan(p_values.get(row, np.nan))
        differences[row] = tuple(
            Difference(name, _estimate(gap), p, single_p=_not_nan(gap.p))
            for name, gap in gaps.items()
        )
    return differences


def _not_nan(value: float) -> float | None:
    return None if np.isnan(value) else value


def primary_first(
    groups: Sequence[Sequence[Row]], is_primary: Callable[[Row], bool]
) -> list[list[Row]]:
    """Return the rows of each network with p-values; primary rows are tested first.

    Holm's correction is over the primary rows of all networks, then over the other rows of each network. A row that is
    not primary is significant only if all primary rows are, so the error rate of 5% holds for all primary rows and the
    other rows of one network together, but not for the other rows of several networks.

    ``groups``: rows of each network with their ``over_baselines``.
    """
    all_rows = [row for group in groups for row in group]
    primary = [row for row in all_rows if is_primary(row) and _largest_p(row) is not None]
    p_values = _holm_of_rows(primary)
    gate = max(p_values.values(), default=0.0)
    for group in groups:
        corrected = [
            row
            for row in group
            if row not in primary and any(gap.p is not None for gap in row.over_baselines)
        ]
        for row, p in _holm_of_rows(corrected).items():
            p_values[row] = max(p, gate)
    return [[_with_p(row, p_values.get(row)) for row in group] for group in groups]


def _holm_of_rows(rows: Sequence[Row]) -> dict[Row, float]:
    """Return the larger p-value of both baselines of each row, after Holm's correction over the ``rows``."""
    largest = np.array([_largest_p(row) for row in rows], dtype=np.float64)
    return dict(zip(rows, holm(largest).tolist(), strict=True))


def _largest_p(row: Row) -> float | None:
    return max(
        (gap.single_p for gap in row.over_baselines if gap.single_p is not None), default=None
    )


def _with_p(row: Row, p: float | None) -> Row:
    """Return the row with another p-value; unchanged without one."""
    if p is None:
        return row
    return replace(row, over_baselines=tuple(gap._replace(p=p) for gap in row.over_baselines))


def _estimate(estimate: MrmcEstimate) -> Estimate:
    return Estimate(estimate.value, _not_nan(estimate.low), _not_nan(estimate.high))


def networks(groups: Sequence[Sequence[Row]], rank_methods: Sequence[str]) -> list[Row]:
    """Return a row per network, best mean first.

    A network is represented by the mean over the ``rank_methods``: the score of its best method would be too high,
    because that method was selected. Networks are compared if they have similar grids (``by_grid``) and two or
    more training runs, and if they have all rank methods; the ``note`` of any other row says why it is not compared.
    Holm's correction is over all pairs of networks with similar grids.

    ``groups``: rows of each network; if one has maps or boxes made elsewhere, no row is returned.
    """
    entered = [group for group in groups if _scored_methods(group)]
    if any(row.is_external for group in entered for row in group):
        return []
    rows = [_network(group, rank_methods) for group in entered]
    return by_score(row for similar in by_grid(rows) for row in _compared(similar))


def by_grid(rows: Sequence[Row]) -> list[list[Row]]:
    """Group networks whose grids limit the score alike: the scores of ``truth`` differ by at most ``MAX_DIFFERENCE``.

    Without a score of ``truth``, networks of one backbone and image size are a group.
    """
    limits: list[float] = []
    for bound in sorted({_bound(row) for row in rows}, reverse=True):
        if not limits or limits[-1] - bound > MAX_DIFFERENCE:
            limits.append(bound)
    groups: dict[object, list[Row]] = {}
    for row in rows:
        group: object = (row.cell.backbone, row.cell.img_size)
        if BOUND in row.scores:
            group = min(limit for limit in limits if limit >= _bound(row))
        groups.setdefault(group, []).append(row)
    return list(groups.values())


def _bound(row: Row) -> float:
    bound = row.share(BOUND)
    return -1.0 if bound is None else bound


def _scored_methods(group: Sequence[Row]) -> list[Row]:
    return [*_by_patient(row for row in group if row.is_method)]


def common_methods(groups: Sequence[Sequence[Row]]) -> list[str]:
    """Return the methods that are scored on all networks; ``groups``: rows of each network."""
    scored = [_scored_methods(group) for group in groups]
    methods = [{row.cell.method for row in rows} for rows in scored if rows]
    return sorted(set.intersection(*methods)) if methods else []


def _network(rows: Sequence[Row], rank_methods: Sequence[str]) -> Row:
    """Return the row of a network before it is compared with others."""
    by_row = _by_patient(rows)
    by_name = {row.cell.method: row for row in by_row}
    ranked = [by_name[name] for name in rank_methods if name in by_name]
    lacking = [name for name in rank_methods if name not in by_name]
    scores = [by_row[row] for row in ranked]
    note = ""
    if lacking:
        note = f"{', '.join(lacking)} not scored"
    elif len({samples.runs for samples in scores}) > 1:
        note = OTHER_RUNS
    mean = None if note or not scores else mrmc.mean_of_rows(scores)
    if mean is not None and len(mean.theta) == 1:
        note = runs_words(1)
    first = ranked[0] if ranked else _scored_methods(rows)[0]
    row = Row(
        "network",
        first.network,
        first.runs,
        scores=_scores_of_network(rows, mean),
        auroc=first.auroc,
        note=note,
        by_patient=mean,
    )
    row = _with_spread(row)
    if mean is None:
        return row
    gaps = _adjusted({row: _from_baselines(mean, by_row)}, [row])
    return replace(row, over_baselines=gaps[row])


def _scores_of_network(rows: Sequence[Row], mean: RowSamples | None) -> dict[str, Estimate]:
    """Return the scores of the row of a network: mean over methods, AUROC on boxed images, and ``truth``."""
    scores = {}
    if BOXED in rows[0].scores:
        scores[BOXED] = rows[0].scores[BOXED]
    bounds = [row.main.value for row in rows if row.name == UPPER_BOUND]
    if bounds and bounds[0] is not None:
        scores[BOUND] = Estimate(bounds[0])
    if mean is not None:
        interval = mean.interval
        value = Estimate(float(mean.theta.mean()))
        scores[MAIN] = value if interval is None else _estimate(interval)
    return scores


def _compared(similar: Sequence[Row]) -> list[Row]:
    """Return the rows of networks with similar grids with their comparisons."""
    rows = _by_patient(by_score(row for row in similar if not row.note))
    if len(rows) < 2:
        return [replace(row, note=row.note or NO_SIMILAR_NETWORK) for row in similar]
    verdicts = _with_verdicts([*rows], mrmc.gaps_between([*rows.values()]))
    return [*verdicts.values(), *(row for row in similar if row not in rows)]


def effects(groups: Sequence[Sequence[Row]], of_networks: Sequence[Row]) -> list[Row]:
    """Return a row per method that all networks with several training runs and similar grids have, best mean first.

    The grids are those of most networks (``by_grid``).

    The networks are fixed: intervals are for new training runs of these networks and new patients. Holm's correction is
    over all pairs of methods and, for the differences from the baselines, over the methods.

    ``groups``: rows of each network. ``of_networks``: the rows of ``networks``.
    """
    groups = _on_similar_grids(groups, of_networks)
    rows_of = _methods_of_all_networks(groups)
    if len(rows_of) < 2:
        return []
    scores = {name: _samples_by_network(rows) for name, rows in rows_of.items()}
    gaps_to_baselines = _adjusted(_gaps_over_networks(scores, groups), [*scores])
    effects_of_methods = by_score(
        replace(_effect(name, rows, scores[name]), over_baselines=gaps_to_baselines[name])
        for name, rows in rows_of.items()
    )
    order = [row.name for row in effects_of_methods]
    between = {
        (first, second): over_networks(scores[order[first]], scores[order[second]])
        for first, second in itertools.combinations(range(len(order)), 2)
    }
    return list(_with_verdicts(effects_of_methods, between).values())


def _methods_of_all_networks(groups: Sequence[Sequence[Row]]) -> dict[str, list[Row]]:
    """Return method -> its rows, for methods that all of two or more networks with several training runs have."""
    rows_of: dict[str, dict[str, Row]] = {}
    network_count = 0
    for group in groups:
        several = [
            row
            for row in _scored_methods(group)
            if row.by_patient and len(row.by_patient.theta) > 1
        ]
        if several:
            network_count += 1
            for row in several:
                rows_of.setdefault(row.name, {})[row.key_of_network] = row
    if network_count < 2:
        return {}
    return {name: [*rows.values()] for name, rows in rows_of.items() if len(rows) == network_count}


def _effect(method: str, rows: Sequence[Row], scores: SamplesByNetwork) -> Row:
    """Return the mean of a method over networks, from its ``rows``."""
    runs = tuple(record for row in rows for record in row.runs)
    mean = float(np.mean([samples.theta.mean() for samples in scores.values()]))
    return Row("effect", method, runs, scores={MAIN: Estimate(mean)})


def _gaps_over_networks(
    scores: Mapping[str, SamplesByNetwork], groups: Sequence[Sequence[Row]]
) -> dict[str, dict[str, MrmcEstimate]]:
    """Return method -> its differences from the baselines that see no image, over all networks."""
    gaps: dict[str, dict[str, MrmcEstimate]] = {name: {} for name in scores}
    for baseline in blind():
        baseline_rows = []
        for group in groups:
            baseline_rows += [row for row in group if row.name == baseline]
        of_baseline = _samples_by_network(baseline_rows)
        for name, rows in scores.items():
            difference = over_networks(rows, of_baseline)
            if difference is not None:
                gaps[name][baseline] = difference
    return gaps


def _samples_by_network(rows: Iterable[Row]) -> SamplesByNetwork:
    return {row.network: scores for row, scores in _by_patient(rows).items()}


def _on_similar_grids(
    groups: Sequence[Sequence[Row]], of_networks: Sequence[Row]
) -> list[Sequence[Row]]:
    """Return the groups of the networks on the grids of most networks; all groups if there is no row of a network."""
    keys = {row.key_of_network for group in groups for row in group}
    grids = by_grid([row for row in of_networks if row.key_of_network in keys])
    if grids:
        keys = {row.key_of_network for row in max(grids, key=len)}
    return [group for group in groups if group[0].key_of_network in keys]


def over_networks(first: SamplesByNetwork, second: SamplesByNetwork) -> MrmcEstimate | None:
    """Return how much better ``first`` is on the same networks with new training runs and new patients.

    Networks count that have both, with two or more common training runs. None for fewer than two networks or
    ``MIN_PATIENTS``.
    """
    gaps = []
    errors = []
    for name, samples in first.items():
        if name not in second:
            continue
        runs = [run for run in samples.runs if run in second[name].runs]
        if len(runs) > 1:
            left = samples.restrict(runs)
            right = second[name].restrict(runs)
            gaps.append((left.theta - right.theta, left.jackknife - right.jackknife))
            errors.append(left.draw_error**2 + right.draw_error**2)
    if len(gaps) < 2 or gaps[0][1].shape[1] < MIN_PATIENTS:
        return None
    return mrmc.method_effect(gaps, max(errors))  # all networks share the draws


def above_baselines_at(
    rows: Sequence[Row], baselines: Sequence[Row], column: MainColumn
) -> list[Row]:
    """Return the rows that are significantly above all ``baselines`` on another column, after Holm over these rows.

    Raises ``BadValueError`` if a baseline has no rows per case.
    """
    by_row = {}
    for row in (*rows, *baselines):
        samples = column.entry(row.runs)
        if samples is not None:
            by_row[row] = samples
    absent = [row.name for row in baselines if row not in by_row]
    if absent:
        raise BadValueError(f"{absent[0]} has no rows per case on these cases")
    estimates = {row: _from_baselines(by_row[row], by_row) for row in rows if row in by_row}
    gaps_of_rows = _adjusted(estimates, [*estimates])
    tested = [replace(row, over_baselines=gaps) for row, gaps in gaps_of_rows.items()]
    return [row for row in tested if row.above_baselines]


def compared_with(row: Row, others: Sequence[Row]) -> Iterator[tuple[Row, Difference]]:
    """Yield each other row on the same cases with how much better it is than ``row``, after Holm's correction."""
    if row.by_patient is None:
        return
    gaps = {}
    for compared_row, samples in _by_patient(others).items():
        gap = compared(samples, row.by_patient)
        if gap is not None:
            gaps[compared_row] = gap
    adjusted = holm(np.array([gap.p for gap in gaps.values()])).tolist()
    for (compared_row, gap), p in zip(gaps.items(), adjusted, strict=True):
        yield compared_row, Difference(row.name, _estimate(gap), _not_nan(p))


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
    of_rows = {row: _added_estimate(row) for row in group}
    estimates = {row: {PRIOR: gap} for row, gap in of_rows.items() if gap is not None}
    gaps = _adjusted(estimates, [row for row in estimates if row.is_method])
    return [_with_added(row, gaps.get(row, ())) for row in group]


def _with_added(row: Row, gaps: tuple[Difference, ...]) -> Row:
    """Return the row with its difference from ``prior``, if there is one."""
    if not gaps:
        return row
    (gap,) = gaps
    score = row.find(ADDED)
    case_count = 0 if score is None else score.n
    added_share = gap.estimate._replace(n=case_count)
    return replace(row, scores={**row.scores, ADDED: added_share}, over_baselines=gaps)


def _added_estimate(row: Row) -> MrmcEstimate | None:
    """Return the difference from ``prior`` over training runs and patients; None without resamples or few patients.

    A resample of patients chooses the weight and the thresholds again, unless another suite chose them.
    """
    scores = [record.find(ADDED) for record in row.runs]
    theta = [score.value for score in scores if score is not None and score.low is not None]
    counts = {len(record.resampled) for record in row.runs}
    if len(theta) < len(row.runs) or len(counts) > 1:
        return None
    resampled = as_jackknife(np.array([record.resampled for record in row.runs]))
    of_row = np.array(theta, dtype=np.float64), resampled
    zeros = np.zeros(len(theta)), np.zeros_like(resampled)
    compare = mrmc.difference if len(theta) > 1 else mrmc.difference_nested
    patients = row.runs[0].rests_on.get("patients")
    return compare(of_row, zeros, patients=patients if isinstance(patients, int) else None)
