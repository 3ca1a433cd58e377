"""Comparison of networks: an entry for each.

A network is represented by the mean over the suite's ``rank_methods``. The score of its best method would be biased,
because that method was selected. Networks are compared if they have the same grid (the same scores of ``truth``) and
two or more training runs, and if all rank methods were scored on all images. The ``reason`` of any other entry says why
it is not compared.

``hit@iou.3``       mean over the rank methods, with its interval over training runs and patients
``may_be_best``     1 if no other network of the grid is significantly better (5%, Holm over all pairs of the grid)
``worse_by@NAME``   how much worse it is than the network NAME: see ``comparisons``
``p_first``         probability of being the best of its grid
``above_prior``     difference from ``prior`` on the same training runs
``bound``           score of ``truth``: the upper bound of the grid
``share_of_bound``  the mean over the rank methods whose maps have the network's grid, divided by the bound
``trainings``, ``seed_sd``  training runs, and the standard deviation of their means over the rank methods
"""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.records import Score
from benchmark.report import select
from benchmark.report.entries.comparisons import ordered_methods, verdict_scores
from benchmark.report.entries.entry import Entry, score, with_comparisons
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.entries import EntryScores
from core.names import MAIN, PRIOR, UPPER_BOUND
from core.registry import METHODS

RANK_METHODS = "rank_methods"
"""Field of ``Record.data``: the methods that the mean is over."""
ONE_RUN = "1 training run"


def networks(groups: Sequence[Sequence[Entry]], rank_methods: Sequence[str] = ()) -> list[Entry]:
    """Return an entry per network, in the order of the table: by grid, best first, then those not compared.

    ``groups``: rows of each network. Default ``rank_methods``: the methods that all networks have.
    """
    entered = [group for group in groups if ordered_methods(group)]
    wanted = tuple(rank_methods) or _common(entered)
    rows = [_entry(group, name, wanted) for group, name in zip(entered, names(entered), strict=True)]
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


def _common(groups: Sequence[Sequence[Entry]]) -> tuple[str, ...]:
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


def _entry(rows: Sequence[Entry], name: str, rank_methods: Sequence[str]) -> Entry:
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
