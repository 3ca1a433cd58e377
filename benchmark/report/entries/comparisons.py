"""Comparisons of the rows of a leaderboard, as scores of its entries.

``trainings``, ``seed_sd``  number of training runs, and the standard deviation of their scores
``hit@iou.3``               mean over several runs, with its interval for new runs and new patients
``one_more``                interval for the score of another run on the same images, from three or more runs
``network_may_be_best``     1 if no other network is significantly better: see ``networks``
``may_be_best`` …           the same for the method within its network: see ``methods``
``above_prior``, ``p_holm`` difference to ``prior`` on the same runs; Holm over the rows of the network
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmark.records import Score
from benchmark.report import select
from benchmark.report.entries.entry import Entry, RowScore, network_of, score
from benchmark.report.entries.main_column import MainColumn
from benchmark.report.entries.methods import by_finding, by_network, ordered_methods, probabilities, within_network
from benchmark.scoring.statistics import entries as statistics
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
    """Yield the comparisons of a board's rows. ``of_networks``: the networks whose verdict the rows repeat."""
    groups = by_network(rows)
    best = {network_of(r): s for r in of_networks if (s := r.find("may_be_best")) is not None}
    for row in rows:
        yield row, [*paired.get(select.row_key(row), ()), *_over_trainings(row)]
    for group in groups:
        several = [row for row in group if len(row.runs) > 1]
        for row in several:
            yield row, _relative_drops([paired.get(select.row_key(r), ()) for r in row.runs])
        methods = [(row, row.by_patient) for row in ordered_methods(group) if row.by_patient is not None]
        yield from (*_above_prior(several, paired), *probabilities(several), *within_network(methods))
        if (verdict := best.get(network_of(group[0]))) is not None:
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
    return [*counted, main.model_copy(update={"low": estimate.low, "high": estimate.high})]


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
