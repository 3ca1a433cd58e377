"""Comparisons of the rows of a leaderboard, as scores of its entries.

``comparisons``  the methods within each network, on all findings and on each
``networks``     an entry per network, compared with the others
``effects``      an entry per method, compared with the others over fixed networks

Each function lists its metrics. The entries are built in ``entry`` and put together in ``leaderboard``; the per-case
rows come from ``case_columns``, the statistics from ``locus.benchmark.scoring.statistics.entries`` and ``mrmc``.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from locus.benchmark.records import Cell, Score
from locus.benchmark.report import select
from locus.benchmark.report.case_columns import MainColumn
from locus.benchmark.report.entry import WORSE_BY, Entry, RowScore, score, with_comparisons
from locus.benchmark.scoring.statistics import entries as statistics
from locus.benchmark.scoring.statistics import mrmc
from locus.benchmark.scoring.statistics.entries import EntryScores, Verdict
from locus.benchmark.scoring.statistics.mrmc import MrmcEstimate
from locus.benchmark.scoring.statistics.resample import SMALLEST, holm
from locus.core.names import MAIN, PRIOR, RELATIVE_DROP, UPPER_BOUND
from locus.core.registry import METHODS

Paired = Mapping[tuple[object, ...], Sequence[Score]]
"""Row of a training run -> its paired comparisons."""
AGAINST_PRIOR = ("above_prior", "p", "p_holm")
SMALLEST_P = 1e-6
"""Smallest stored p value: scores have six decimals."""


def comparisons(
    rows: Sequence[Entry], column: MainColumn | None, paired: Paired, of_networks: Sequence[Entry]
) -> Iterator[RowScore]:
    """Yield the comparisons of a table's rows. ``of_networks``: the networks whose verdict the rows repeat.

    ``trainings``, ``seed_sd``  number of training runs, and the standard deviation of their scores
    ``hit@iou.3``               mean over several runs, with its interval for new runs and new patients
    ``one_more``                interval for the score of another run on the same images, from three or more runs
    ``network_may_be_best``     1 if no other network is significantly better: see ``networks``
    ``above_prior``, ``p_holm`` difference to ``prior`` on the same runs; Holm over the rows of the network

    Methods within each network, on all findings (``mean``) and on each:

    ``may_be_best``     1 if no other method of the network is significantly better (5%, Holm over the row's pairs)
    ``worse_by@NAME``   how much better the method NAME is, with the interval of the difference. NAME is the top method
                        or, if the top method does not exclude the row, the best method that does
    ``p_first``         probability of being the best of the network: see ``statistics.probability_of_best``

    For a single finding also ``hit@iou.3`` with its interval over training runs and patients, if there are several
    runs, and ``above_prior`` of the first method: its difference to ``prior``.
    """
    groups = [*select.grouped(rows, select.recipe_key).values()]
    best = {select.recipe_key(r): s for r in of_networks if (s := r.find("may_be_best")) is not None}
    for row in rows:
        yield row, [*paired.get(select.row_key(row), ()), *_over_trainings(row)]
    for group in groups:
        several = [row for row in group if len(row.runs) > 1]
        for row in several:
            yield row, _relative_drops([paired.get(select.row_key(r), ()) for r in row.runs])
        methods = [(row, row.by_patient) for row in ordered_methods(group) if row.by_patient is not None]
        yield from (*_above_prior(several, paired), *probabilities(several), *within_network(methods))
        if (verdict := best.get(select.recipe_key(group[0]))) is not None:
            yield from ((row, [score("network_may_be_best", verdict.value)]) for row, _ in methods)
    yield from by_finding(groups, column)


def _relative_drops(run_scores: Sequence[Sequence[Score]]) -> list[Score]:
    """Return the mean relative drop to people over training runs, with the interval only if all runs agree."""
    drops = [{s.metric: s for s in scores if s.metric.startswith(RELATIVE_DROP)} for scores in run_scores]
    same = all(of == drops[0] for of in drops)
    return [s if same else score(name, select.mean([of.get(name) for of in drops])) for name, s in drops[0].items()]


def _over_trainings(row: Entry) -> list[Score]:
    """Return number and spread of the training runs, the interval of another run, and the mean with its interval."""
    values, main = select.defined_values(map(select.main_score, row.runs)), select.main_score(row)
    counted = [score("trainings", float(len(row.runs)))]
    if len(values) < 2 or main is None:
        return counted
    counted.append(score("seed_sd", float(np.std(values, ddof=1))))
    if band := statistics.one_more(np.array(values)):
        counted.append(score("one_more", main.value, *band))
    if row.by_patient is None or main.low is not None or (estimate := row.by_patient.interval) is None:
        return counted
    return [*counted, main.with_interval(estimate.low, estimate.high)]


def _above_prior(network: Sequence[Entry], paired: Paired) -> list[RowScore]:
    """Return the difference to ``prior`` over all training runs; for baselines without a network, that of each run."""
    prior = next((row.by_patient for row in network if row.cell.method == PRIOR), None)
    if prior is None:
        return []
    out: list[RowScore] = []
    seeing = []
    for row in network:
        of_runs = [[s for s in paired.get(select.row_key(r), ()) if s.metric in AGAINST_PRIOR] for r in row.runs]
        if of_runs[0] and all(scores[:1] == of_runs[0][:1] for scores in of_runs):
            out.append((row, of_runs[0]))
        elif row.by_patient is not None and row.cell.method != PRIOR:
            seeing.append((row, statistics.difference(row.by_patient, prior)))
    adjusted = holm(np.array([estimate.p for _, estimate in seeing]))
    for (row, e), p in zip(seeing, adjusted, strict=True):
        out.append((row, [score("above_prior", e.value, e.low, e.high), score("p_holm", max(float(p), SMALLEST_P))]))
    return out


def ordered_methods(rows: Sequence[Entry], finding: str = "mean") -> list[Entry]:
    """Return the methods with per-case rows, best first; equal scores by name."""
    scored = [row for row in rows if row.by_patient is not None and select.is_method(row)]
    return sorted(scored, key=lambda row: (-(select.main_value(row, finding) or 0.0), row.cell.method))


def within_network(methods: Sequence[tuple[Entry, EntryScores]], finding: str = "mean") -> list[RowScore]:
    """Return the verdicts on the methods of one network, given best first, on a finding or the mean."""
    scores = [entry for _, entry in methods]
    verdicts = statistics.verdicts(len(scores), lambda a, b: statistics.compared(scores[a], scores[b]))
    names = [row.method for row, _ in methods]
    return [(row, verdict_scores(v, names, finding)) for (row, _), v in zip(methods, verdicts, strict=True)]


def probabilities(network: Sequence[Entry]) -> list[RowScore]:
    """Return the probability of being the best of a network, for methods that all its training runs have.

    Empty for a network with one training run.
    """
    methods = [(row, row.by_patient) for row in ordered_methods(network) if row.by_patient is not None]
    most = max((len(entry.runs) for _, entry in methods), default=0)
    complete = [(row, entry) for row, entry in methods if len(entry.runs) == most]
    if most < 2 or len({entry.runs for _, entry in complete}) > 1:
        return []
    shares = statistics.probability_of_best([[entry for _, entry in complete]])
    return [(row, [score("p_first", float(p))]) for (row, _), p in zip(complete, shares, strict=True)]


def by_finding(networks: Sequence[Sequence[Entry]], hits: MainColumn | None) -> list[RowScore]:
    """Return the comparisons on each finding, network by network.

    Empty without per-case rows or with too few patients.
    """
    columns = [] if hits is None else [hits.of_finding(name) for name in hits.findings]
    enough = [c for c in columns if c.sums.present.any(2).sum() >= SMALLEST and np.isfinite(c.jackknife).all()]
    return [scores for column in enough for network in networks for scores in _on_finding(network, column)]


def _on_finding(rows: Sequence[Entry], hits: MainColumn) -> Iterator[RowScore]:
    """Yield interval and comparisons of each method on one finding, and the best method's difference from the prior."""
    (name,) = hits.findings
    methods = [(row, entry) for row in ordered_methods(rows, name) if (entry := hits.entry(row.runs)) is not None]
    for row, entry in methods:
        main = select.main_score(row, name)
        if main is not None and (estimate := entry.interval) is not None:
            yield row, [main.with_interval(estimate.low, estimate.high)]
    yield from within_network(methods, name)
    prior = next((hits.entry(row.runs) for row in rows if row.cell.method == PRIOR), None)
    if methods and prior is not None:
        (first, entry), *_ = methods
        gap = statistics.difference(entry, prior)
        yield first, [score("above_prior", gap.value, gap.low, gap.high, name)]


def verdict_scores(verdict: Verdict, names: Sequence[str], finding: str = "mean") -> list[Score]:
    """Return a verdict as scores; empty if nothing was compared. ``names``: names of the rows."""
    if verdict.may_be_best is None:
        return []
    made = [score("may_be_best", float(verdict.may_be_best), finding=finding)]
    if verdict.compared_with is not None and (gap := verdict.worse_by) is not None:
        made.append(score(f"{WORSE_BY}{names[verdict.compared_with]}", gap.value, gap.low, gap.high, finding))
    return made


RANK_METHODS = "rank_methods"
"""Field of ``Record.data``: the methods that the mean is over."""
ONE_RUN = "1 training run"


def networks(groups: Sequence[Sequence[Entry]], rank_methods: Sequence[str] = ()) -> list[Entry]:
    """Return an entry per network, in the order of the table: by grid, best first, then those not compared.

    A network is represented by the mean over the suite's ``rank_methods``. The score of its best method would be
    biased, because that method was selected. Networks are compared if they have the same grid (the same scores of
    ``truth``) and two or more training runs, and if all rank methods were scored on all images. The ``reason`` of any
    other entry says why it is not compared.

    ``hit@iou.3``       mean over the rank methods, with its interval over training runs and patients
    ``may_be_best``     1 if no other network of the grid is significantly better (5%, Holm over all pairs of the grid)
    ``worse_by@NAME``   how much worse it is than the network NAME: see ``comparisons``
    ``p_first``         probability of being the best of its grid
    ``above_prior``     difference from ``prior`` on the same training runs
    ``bound``           score of ``truth``: the upper bound of the grid
    ``share_of_bound``  the mean over the rank methods whose maps have the network's grid, divided by the bound
    ``trainings``, ``seed_sd``  training runs, and the standard deviation of their means over the rank methods

    ``groups``: rows of each network. Default ``rank_methods``: the methods that all networks have.
    """
    entered = [group for group in groups if ordered_methods(group)]
    wanted = tuple(rank_methods) or _common_methods(entered)
    rows = [_network_entry(group, name, wanted) for group, name in zip(entered, names(entered), strict=True)]
    grids = select.grouped(sorted(rows, key=lambda row: -select.value(row, MAIN)), _grid)
    order = sorted(grids.values(), key=lambda grid: (-sum(not n.reason for n in grid), -select.value(grid[0], "bound")))
    return [row for grid in order for row in _compared(grid)]


def names(groups: Sequence[Sequence[Entry]]) -> list[str]:
    """Return the names of the networks: backbone, pooling and attention, plus the size if needed to be unique."""
    records = [group[0] for group in groups]
    short = [select.network(record) for record in records]
    return [
        name if short.count(name) == 1 else f"{name} {record.cell.img_size} px"
        for name, record in zip(short, records, strict=True)
    ]


def _common_methods(groups: Sequence[Sequence[Entry]]) -> tuple[str, ...]:
    """Return the methods that all networks have."""
    methods = [{row.cell.method for row in ordered_methods(group)} for group in groups]
    return tuple(sorted(set.intersection(*methods))) if methods else ()


def _grid(row: Entry) -> tuple[object, ...]:
    """Return a key that networks with the same grid share: the score of ``truth``, else backbone and size."""
    bound = row.find("bound")
    return (row.cell.backbone, row.cell.img_size) if bound is None else (bound.value,)


def _compared(grid: Sequence[Entry]) -> list[Entry]:
    """Return the entries of one grid with their comparisons; those that cannot be compared follow."""
    rows = [(n, n.by_patient) for n in grid if not n.reason and n.by_patient is not None]
    names, scores = [n.data["name"] for n, _ in rows], [mean for _, mean in rows]
    verdicts = statistics.verdicts(len(rows), lambda a, b: statistics.compared(scores[a], scores[b]), per_row=False)
    shares = statistics.probability_of_best([[mean] for mean in scores]).tolist() if len(rows) > 1 else []
    first = [[score("p_first", p)] for p in shares] or [[] for _ in rows]
    compared = [
        with_comparisons(n, [*verdict_scores(verdict, names), *p])
        for (n, _), verdict, p in zip(rows, verdicts, first, strict=True)
    ]
    return [*compared, *(n for n in grid if n.reason)]


def _network_entry(rows: Sequence[Entry], name: str, rank_methods: Sequence[str]) -> Entry:
    """Return the entry of a network before it is compared with others.

    Its training runs are those of the rank methods, or all if it has no mean.
    """
    by_method = {row.cell.method: row for row in sorted(rows, key=lambda row: len(row.runs)) if row.by_patient}
    ranked = [by_method[method] for method in rank_methods if method in by_method]
    reason = _why_not_compared(ranked, [method for method in rank_methods if method not in by_method])
    scores = [row.by_patient for row in ranked if row.by_patient is not None]
    mean = statistics.mean_of_rows(scores) if scores and reason in ("", ONE_RUN) else None
    on_grid = [row.by_patient.theta.mean() for row in ranked if row.by_patient and not _on_pixels(row)]
    first = rows[0]
    prior = by_method[PRIOR].by_patient if PRIOR in by_method else None
    bound = next((select.main_value(row) for row in rows if row.cell.method == UPPER_BOUND), None)
    return Entry.model_construct(
        cell=first.cell.without_seed.model_copy(update={"method": "", "protocol": ""}),
        source=first.source,
        reason=reason,
        data={RANK_METHODS: list(rank_methods), "name": name},
        scores=(score("trainings", float(max(len(row.runs) for row in rows))), *_scores(mean, bound, on_grid, prior)),
        runs=tuple(record for row in (rows if mean is None else ranked) for record in row.runs),
        by_patient=mean,
    )


def _on_pixels(row: Entry) -> bool:
    """Return whether the method of a row has one value per pixel; False if it is not in the folders of methods."""
    name = row.cell.method.split(":")[0]
    return name in METHODS.names() and METHODS.read_attribute(name, "on_pixels") is True


def _why_not_compared(ranked: Sequence[Entry], lacking: Sequence[str]) -> str:
    """Return why a network with the rows ``ranked`` cannot be compared; empty if it can."""
    if lacking:
        return f"{', '.join(lacking)} not scored on all images"
    trainings = {row.by_patient.runs for row in ranked if row.by_patient is not None}
    if len(trainings) > 1:
        return "its rank methods were scored on different training runs"
    return ONE_RUN if max(map(len, trainings), default=1) == 1 else ""


def _scores(
    mean: EntryScores | None, bound: float | None, on_grid: Sequence[float], prior: EntryScores | None
) -> Iterator[Score]:
    """Yield the upper bound of a network, its mean with interval, the spread over seeds and the gap to ``prior``."""
    if bound is not None:
        yield score("bound", bound)
    if mean is None:
        return
    value, interval = float(mean.theta.mean()), mean.interval
    yield score(MAIN, value) if interval is None else score(MAIN, value, interval.low, interval.high)
    if len(mean.theta) > 1:
        yield score("seed_sd", float(np.std(mean.theta, ddof=1)))
    if bound and on_grid:
        yield score("share_of_bound", float(np.mean(on_grid)) / bound)
    if prior is not None and (gap := statistics.compared(mean, prior)) is not None:
        yield score("above_prior", gap.value, gap.low, gap.high)


Rows = Mapping[str, EntryScores]
"""Name of a network -> the scores of a method there."""


def effects(groups: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Return an entry for each method that two or more networks with several training runs have.

    Only pairs of methods that two or more of these networks have are compared.

    ``networks``        number of networks that have the method
    ``may_be_best``     1 if no other method is significantly better over the networks (5%, Holm over the row's pairs)
    ``worse_by@NAME``   how much better the method NAME is: as in ``comparisons``. The same metric with the name of a
                        network in place of a finding is the difference in that network

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
        if any(_common_networks(rows, other) for other in methods.values() if other is not rows)
    }
    if len(entered) < 2:
        return []
    means = {name: float(np.mean([row.theta.mean() for row in rows.values()])) for name, rows in entered.items()}
    order = sorted(entered, key=lambda name: (-len(entered[name]), -means[name], name))
    verdicts = statistics.verdicts(len(order), lambda a, b: over_networks(entered[order[a]], entered[order[b]]))
    return [_method_entry(behind[name], order, entered, v) for name, v in zip(order, verdicts, strict=True)]


def over_networks(one: Rows, other: Rows) -> MrmcEstimate | None:
    """Return how much better ``one`` is than ``other`` over the networks that have both; None for fewer than two.

    The same networks with new training runs and new patients: see ``mrmc.method_effect``.
    """
    pairs = [_difference(one[name], other[name]) for name in _common_networks(one, other)]
    if not pairs or pairs[0][1].shape[1] < SMALLEST:
        return None
    return mrmc.method_effect(pairs)


def _common_networks(one: Rows, other: Rows) -> list[str]:
    """Return the networks with two or more common training runs; empty if there are fewer than two."""
    networks = [name for name in one if name in other and len({*one[name].runs} & {*other[name].runs}) > 1]
    return networks if len(networks) > 1 else []


def _difference(one: EntryScores, other: EntryScores) -> tuple[np.ndarray, np.ndarray]:
    runs = [name for name in one.runs if name in other.runs]
    one, other = one.restrict(runs), other.restrict(runs)
    return one.theta - other.theta, one.jackknife - other.jackknife


def _method_entry(rows: Sequence[Entry], order: Sequence[str], methods: Mapping[str, Rows], verdict: Verdict) -> Entry:
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
    gaps = {
        network: _difference(better[network], mine[network])[0].mean() for network in _common_networks(better, mine)
    }
    return [score(f"{WORSE_BY}{name}", float(gap), finding=network) for network, gap in gaps.items()]
