"""All scores of records as one tidy table.

``frame``           a row per network, method, finding, metric and threshold source
``trainings``       the training runs behind each row
``mean_over_runs``  a score as the mean over training runs
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from locus.benchmark.records.record import Record
from locus.core.scores import Score

if TYPE_CHECKING:
    import pandas as pd

ROW_COLUMNS = ("dataset", "network", "model", "method", "protocol", "alignment", "source", "runs")
"""Columns of ``frame`` that name a row; the others are the fields of ``Score``."""
COLUMNS = (*ROW_COLUMNS, *Score._fields)


def frame(records: Iterable[Record]) -> "pd.DataFrame":
    """Return all scores, a row per network, method, protocol, finding, metric and threshold source.

    Args:
        records: records of one or several suites, as ``load`` returns them.

    Returns:
        ``dataset``, ``network`` in words, ``model`` (the network without its training seed), ``method``,
        ``protocol``, ``alignment``, ``source`` of the records, number of training ``runs``, ``finding`` or ``mean``
        over findings, ``metric``, ``value``, ``low``, ``high`` (95% interval over patients), ``n``,
        ``threshold_source`` and the ``reason`` for a missing value.

        The value is the mean over training runs. A score has an interval only if it is equal in all runs, for example
        if there is one run. A cell without scores has one row with its reason and no metric.

    Example:
        >>> from locus.benchmark.records import Cell
        >>> cells = [Cell(dataset="phantom", method="cam", seed=n, recipe={"seed": n}) for n in (0, 1)]
        >>> scores = [Score("mean", "pointing", value, n=20) for value in (0.5, 0.75)]
        >>> runs = [Record(cell=cell, scores=(score,)) for cell, score in zip(cells, scores)]
        >>> frame(runs)[["method", "runs", "metric", "value", "n"]]
          method  runs    metric  value   n
        0    cam     2  pointing  0.625  20
    """
    import pandas as pd  # slow to import, and not needed for pages

    lines = []
    for runs in trainings(records):
        first = runs[0]
        name_of_row = (
            first.cell.dataset,
            first.cell.network,
            first.cell.model_of_any_seed,
            first.method,
            first.cell.protocol,
            first.cell.alignment,
            first.source,
            len(runs),
        )
        scores = list(_scores_over_runs(runs)) or [Score("", "", reason=first.reason)]
        lines += [(*name_of_row, *score) for score in scores]
    table = pd.DataFrame(lines, columns=COLUMNS)
    return table.astype(dict.fromkeys(("value", "low", "high"), float))


def _scores_over_runs(runs: Sequence[Record]) -> Iterator[Score]:
    """Yield every score that one of the runs has, as the mean over all."""
    scores: dict[tuple[str, str, str], Score] = {}
    for record in runs:
        for score in record.scores:
            scores.setdefault((score.metric, score.finding, score.threshold_source), score)
    for score in scores.values():
        yield mean_over_runs(runs, score)


def trainings(records: Iterable[Record]) -> list[list[Record]]:
    """Group records by method and network, sorted by seed. Cells of a group differ only by their training seed.

    >>> from locus.benchmark.records import Cell
    >>> rows = [Record(cell=Cell(dataset="phantom", method="cam", seed=seed, recipe={"seed": seed})) for seed in (1, 0)]
    >>> [[record.cell.seed for record in group] for group in trainings(rows)]
    [[0, 1]]
    """
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        groups.setdefault((record.source, record.cell.key_of_any_seed), []).append(record)
    return [sorted(group, key=lambda record: record.cell.seed or 0) for group in groups.values()]


def mean_over_runs(runs: Sequence[Record], score: Score) -> Score:
    """Return the mean of the ``score`` of a run over all ``runs``; without a value if one of them has none.

    A score that all runs share keeps its interval; others have none.
    """
    name = score.metric, score.finding, score.threshold_source
    scores = [record.find(*name) for record in runs]
    if all(of_run == score for of_run in scores):
        return score
    values = [of_run.value for of_run in scores if of_run is not None and of_run.value is not None]
    without_value = len(runs) - len(values)
    return Score(
        finding=score.finding,
        metric=score.metric,
        value=None if without_value else sum(values) / len(values),
        n=score.n,
        threshold_source=score.threshold_source,
        reason=f"{without_value} of {len(runs)} training runs have no score"
        if without_value
        else "",
    )
