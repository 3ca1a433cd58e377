"""Comparisons of the rows of a leaderboard, as scores of its entries.

``trainings``, ``seed_sd``  number of training runs, and the standard deviation of their scores
``hit@iou.3``               mean over several runs, with its interval for new runs and new patients
``one_more``                interval for the score of another run on the same images, from three or more runs
``network_may_be_best``     1 if no other network is significantly better: see ``networks``
``above_prior``, ``p_holm`` difference to ``prior`` on the same runs; Holm over the rows of the network

Methods within each network, on all findings (``mean``) and on each:

``may_be_best``     1 if no other method of the network is significantly better (5%, Holm over the row's pairs)
``worse_by@NAME``   how much better the method NAME is, with the interval of the difference. NAME is the top method or,
                    if the top method does not exclude the row, the best method that does
``p_first``         probability of being the best of the network: see ``statistics.entries.probability_of_best``

For a single finding also ``hit@iou.3`` with its interval over training runs and patients, if there are several runs,
and ``above_prior`` of the first method: its difference to ``prior``.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmark.records import Score
from benchmark.report import select
from benchmark.report.entries.entry import WORSE_BY, Entry, RowScore, score
from benchmark.report.entries.main_column import MainColumn
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.entries import EntryScores, Verdict
from benchmark.scoring.statistics.intervals import SMALLEST
from benchmark.scoring.statistics.signflip import holm
from core.names import PRIOR, RELATIVE_DROP

Paired = Mapping[tuple[object, ...], Sequence[Score]]
"""Row of a training run -> its paired comparisons."""
AGAINST_PRIOR = ("above_prior", "p", "p_holm")
SMALLEST_P = 1e-6
"""Smallest stored p value: scores have six decimals."""


def comparisons(
    rows: Sequence[Entry], column: MainColumn | None, paired: Paired, of_networks: Sequence[Entry]
) -> Iterator[RowScore]:
    """Yield the comparisons of a table's rows. ``of_networks``: the networks whose verdict the rows repeat."""
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
