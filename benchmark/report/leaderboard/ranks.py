"""Methods against each other over all findings: average ranks and what Friedman's and Nemenyi's tests make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.leaderboard.entries import mean_records, recipe_of
from benchmark.report.leaderboard.main_table import THRESHOLDS
from benchmark.report.table import Table, number
from core.names import CEILINGS, MAIN

if TYPE_CHECKING:
    from benchmark.statistics.ranks import Diagram

PICTURE = "ranks.svg"
CAUTION = (
    "Baselines take part, truth does not. The findings of one network, on the same images, are no independent draws: p "
    "and the critical difference are a guide, not a proof."
)


@dataclass(frozen=True)
class Ranking:
    """The methods that every network has, and their main column finding by finding."""

    records: tuple[Record, ...]
    """What the values are means of, training by training."""
    methods: tuple[str, ...]
    findings: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    """Methods × findings: the mean over the networks."""
    networks: tuple[str, ...]
    absent: tuple[str, ...]
    """Methods that some network lacks."""
    title: str

    @property
    def diagram(self) -> "Diagram":
        """Average ranks, critical difference and groups.

        Of Nemenyi's test at 5 %: see ``benchmark.statistics``.
        """
        from benchmark.statistics.ranks import diagram

        return diagram(self.values, self.methods)


def rankings(records: Sequence[Record], dataset: str) -> list[Ranking]:
    """One for all images and one for each part that slow methods explain, if two methods share two findings.

    Methods that some network lacks are left out and named.
    """
    candidates = [_ranking(records, dataset, images) for images in (None, *select.parts(records, dataset))]
    return [ranking for ranking in candidates if ranking is not None]


def tables(records: Sequence[Record], dataset: str) -> list[Table]:
    """The table of each ranking.

    Best average rank first; nothing where there is no ranking.
    """
    return [ranks(ranking) for ranking in rankings(records, dataset)]


def ranks(ranking: Ranking) -> Table:
    """A row per method, best average rank first: its rank in each finding, and which methods it is better than.

    Rank 1 is the best; methods that tie share the mean of their ranks. Better than: by Nemenyi's critical difference at
    5 %. Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006).
    """
    from benchmark.statistics.ranks import friedman
    from benchmark.statistics.ranks import ranks as rank_matrix

    diagram, by_finding = ranking.diagram, rank_matrix(ranking.values)
    rows = []
    keys = [tuple(r.key for r in ranking.records if r.cell.method == method) for method in diagram.methods]
    for n, method in enumerate(diagram.methods):
        index = ranking.methods.index(method)
        mean = number(sum(ranking.values[index]) / len(ranking.findings))
        in_findings = (f"{rank:g}" for rank in by_finding[index])
        rows.append((f"{diagram.ranks[n]:.2f}", method, mean, *in_findings, ", ".join(diagram.worse(n))))
    header = ("average rank", "method", MAIN, *ranking.findings, "better than (Nemenyi, 5 %)")
    about = _intro(ranking, diagram.critical, *friedman(ranking.values))
    return Table(f"{ranking.title}: ranks", about, header, tuple(rows), tuple(keys))


def _intro(ranking: Ranking, critical: float, statistic: float, p: float) -> str:
    values = f"Ranks by {MAIN} within each finding, averaged over {len(ranking.findings)} findings. "
    values += f"Values are means over {len(ranking.networks)} networks ({', '.join(ranking.networks)})."
    missing = f" Left out, for not every network has them: {', '.join(ranking.absent)}." if ranking.absent else ""
    tests = (
        f"Friedman: chi² {statistic:.1f}, p {p:.2g}; critical difference of "
        f"average ranks (Nemenyi, 5 %): {critical:.2f}."
    )
    return f"{basis_lines(ranking.records, THRESHOLDS)}\n{values}{missing}\n{tests} {CAUTION}"


def _ranking(records: Sequence[Record], dataset: str, images: int | None) -> Ranking | None:
    behind = [r for r in select.board(records, dataset, images) if r.cell.method not in CEILINGS]
    board = mean_records(behind)
    names = {recipe_of(r): select.network(r) for r in board}
    of = {method: [r for r in board if r.cell.method == method] for method in sorted({r.cell.method for r in board})}
    shared = {method: group for method, group in of.items() if len(group) == len(names)}
    kept = [r for group in shared.values() for r in group]
    values = {f: [_mean(group, f) for group in shared.values()] for f in _findings(kept)}
    complete = {f: column for f, column in values.items() if None not in column}
    if len(shared) < 2 or len(complete) < 2:
        return None
    title = f"{dataset}, all images" if images is None else f"{dataset}, {select.images_in_words(board)} images"
    rows = tuple(tuple(float(value or 0) for value in row) for row in zip(*complete.values(), strict=True))
    absent = tuple(method for method in of if method not in shared)
    rests_on = tuple(r for r in behind if r.cell.method in shared)
    return Ranking(rests_on, tuple(shared), tuple(complete), rows, tuple(names.values()), absent, title)


def _findings(records: Sequence[Record]) -> list[str]:
    return [f for f in dict.fromkeys(f for r in records for _, f in r.names(MAIN)) if f != "mean"]


def _mean(records: Sequence[Record], finding: str) -> float | None:
    """Of the networks; None where one has no value."""
    scores = [select.main_score(r, finding) for r in records]
    return select.mean(scores) if len(select.defined_values(scores)) == len(records) else None
