"""Report of the check ``conventions``: the effect of the conversion of maps to pictures on scores."""

from collections.abc import Callable, Iterator, Sequence

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.checks import CheckReport
from benchmark.report.columns import NAMES, TableColumn, count, naming, score, tabulated
from benchmark.report.sentences import basis_lines, network
from benchmark.report.table import NOTHING, Table, number
from benchmark.scoring.statistics.components import VarianceDecomposition, variance_decomposition
from core.names import MAIN
from core.scores import Origin

MEASURES: tuple[tuple[str, Origin], ...] = ((MAIN, "cross-fitted"), (MAIN, "fixed"), ("pointing", "none"))


class ConventionsReport(CheckReport):
    """Share of the variance due to the convention, and scores of methods × conventions."""

    question = "How much do scores depend on rendering conventions?"
    limit = "Which convention gives the best pictures for people. Only `ours` uses the exact grid of the network."

    def tables(self) -> list[Table]:
        """Return the share of the variance due to the convention, then a table of methods × conventions per metric."""
        rows = self.rows
        intro = basis_lines(
            rows, "cross-fitted by patient, per finding and convention; fixed: .5 of the scaled picture"
        )
        names = convention_names(rows)
        tables = [_variance_table(rows, names, self.dataset, intro)]
        for metric, origin in MEASURES:
            columns = [
                *NAMES,
                *(score(f"{metric}@{name}", origin, name) for name in names),
                TableColumn("range", _range(metric, origin, names)),
            ]
            title = f"{self.dataset}: {metric} by convention" + ("" if origin == "none" else f", {origin} thresholds")
            tables.append(tabulated(title, intro, [*columns, count(f"{metric}@{names[0]}", origin)], rows))
        return tables

    def sentences(self) -> Iterator[str]:
        """Yield a sentence per network, the largest effect of the convention first."""
        rows = self.rows
        names = convention_names(rows)
        taken_apart = [
            (network(group[0], rows), of_all, decomposed(group, MAIN, "cross-fitted", names[1:]))
            for group in select.by_model(rows)
            if (of_all := decomposed(group, MAIN, "cross-fitted", names)) is not None
        ]
        for name, of_all, of_peers in sorted(taken_apart, key=lambda part: -part[1].conventions):
            yield _sentence(name, names[0], of_all, of_peers)


def convention_names(records: Sequence[Record]) -> tuple[str, ...]:
    """Return the names of the conventions with scores, ``ours`` first."""
    return tuple(dict.fromkeys(name for record in records for name in select.variants(record, "pointing")))


def _variance_table(records: Sequence[Record], names: Sequence[str], dataset: str, intro: str) -> Table:
    """Decompose the variance of each model's scores by method and convention, for each metric."""
    about = (
        "Shares of the sum of squares around the grand mean: methods, conventions, and their interaction (`both`). "
        "Range: largest − smallest score, over the methods under the first convention, and over the conventions (mean "
        "over methods). Order reversed: pairs of methods that some convention ranks in the reverse order. "
        f"`peers`: without `{names[0]}`, which uses the exact grid."
    )
    networks = naming(records)
    rows = [
        (*(column.cell(group[0]) for column in networks), *row)
        for group in select.by_model(records)
        for label, subset in (("all", names), ("peers", names[1:]))
        for row in _variance_rows(group, label, subset)
    ]
    parts = ("methods %", "conventions %", "both %", "range over methods", "range over conventions", "order reversed")
    header = (*(column.heading for column in networks), "score", "thresholds", "conventions", "n methods", *parts)
    return Table(f"{dataset}: variance due to the convention", f"{about}\n{intro}", header, tuple(rows))


def _range(metric: str, origin: Origin, names: Sequence[str]) -> Callable[[Record], str]:
    def cell(record: Record) -> str:
        values = _values(record, metric, origin, names)
        return number(max(values) - min(values)) if values else NOTHING

    return cell


def _variance_rows(records: Sequence[Record], label: str, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return a row per metric; none if fewer than two methods have scores under all conventions."""
    rows = []
    for metric, origin in MEASURES:
        if (d := decomposed(records, metric, origin, names)) is None:
            continue
        shares = (f"{100 * value:.0f}" for value in (d.methods, d.conventions, d.interaction))
        about = (metric, origin if origin != "none" else NOTHING, f"{label} ({len(names)})", str(d.n_methods))
        ranges_ = (number(d.over_methods), number(d.over_conventions), f"{d.rank_reversals} of {d.pairs}")
        rows.append((*about, *shares, *ranges_))
    return rows


def decomposed(
    records: Sequence[Record], metric: str, origin: Origin, names: Sequence[str]
) -> VarianceDecomposition | None:
    """Decompose a network's scores under the conventions ``names``; None for fewer than two complete methods.

    A method is complete if it has a score under each convention.
    """
    complete = [values for r in records if len(values := _values(r, metric, origin, names)) == len(names)]
    return variance_decomposition(complete) if len(complete) > 1 else None


def _values(record: Record, metric: str, origin: Origin, names: Sequence[str]) -> list[float]:
    return select.defined_values(record.find(f"{metric}@{name}", origin=origin) for name in names)


def _sentence(name: str, ours: str, of_all: VarianceDecomposition, of_peers: VarianceDecomposition | None) -> str:
    peers = f" ({_percent(of_peers.conventions)} without `{ours}`)" if of_peers is not None else ""
    return (
        f"{name}: {_percent(of_all.conventions)} of the variance of `{MAIN}` is due to the convention{peers}, "
        f"{_percent(of_all.methods)} to the method. The convention changes a method's score by "
        f"{number(of_all.over_conventions)} (mean over methods); under `{ours}` the "
        f"methods differ by {number(of_all.over_methods)}. {of_all.rank_reversals} of {of_all.pairs} pairs of methods "
        "change order."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
