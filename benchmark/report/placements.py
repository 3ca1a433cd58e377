"""Tables of the two checks of how a map is placed: on which grid, and by whose convention."""

from collections.abc import Callable, Sequence

from benchmark.records import Record, Score
from benchmark.records.score import Origin
from benchmark.report import select
from benchmark.report.columns import NAMES, TableColumn, count, naming, score, tabulated
from benchmark.report.rests import basis_lines
from benchmark.report.table import NOTHING, Table, number, share, signed, with_interval
from benchmark.report.variance_decomposition import VarianceDecomposition, ranges, variance_decomposition
from core.names import MAIN

GAIN = f"change@{MAIN}@aligned"
ALIGNMENT_CAPTION = (
    "Gain: aligned − conventional, paired by patient. Shift: how far the conventional placement is off, in shares of "
    "the side."
)
MEASURES: tuple[tuple[str, Origin], ...] = ((MAIN, "cross-fitted"), (MAIN, "fixed"), ("pointing", "none"))


def alignment(records: Sequence[Record], dataset: str) -> list[Table]:
    """Per network and size what the true grid gains over all methods, then method by method.

    From records of the check ``alignment``; nothing where there are none. Gains are paired by patient.
    """
    rows = select.of_check(records, dataset, "alignment")
    rows.sort(key=lambda r: (r.cell.backbone, r.cell.img_size or 0, r.cell.global_pool))
    if not rows:
        return []
    intro = (
        f"{ALIGNMENT_CAPTION}\n{basis_lines(rows, 'cross-fitted by patient, per finding, each placement for itself')}"
    )
    headings = (f"{MAIN} conventional", "aligned", "gain", "least … most", "up", "down")
    networks = naming(rows)
    summary = Table(
        f"{dataset}: what the true grid gains, mean over methods",
        f"Up, down: methods whose interval of the gain is above or below 0. {intro}",
        (*(column.heading for column in networks), "shift", "n methods", *headings),
        tuple(_summary(group, networks) for group in select.by_model(rows)),
    )
    return [summary, tabulated(f"{dataset}: aligned and conventional ({MAIN})", intro, _alignment_columns(), rows)]


def _alignment_columns() -> list[TableColumn]:
    return [
        *NAMES,
        score("shift"),
        *(score(f"{MAIN}@{side}", "cross-fitted", side, with_interval) for side in ("conventional", "aligned")),
        score(GAIN, "cross-fitted", "gain", signed),
        *(score(f"pointing@{side}", heading=f"pointing, {side}") for side in ("conventional", "aligned")),
        score("change@pointing@aligned", heading="gain in pointing", formatter=signed),
        count(GAIN, "cross-fitted"),
    ]


def _summary(records: Sequence[Record], networks: Sequence[TableColumn]) -> tuple[str, ...]:
    scores = gains(records)
    values = select.known(scores)
    means = [
        select.mean(r.find(f"{MAIN}@{side}", origin="cross-fitted") for r in records)
        for side in ("conventional", "aligned")
    ]
    up, down = sum((s.low or 0) > 0 for s in scores), sum((s.high or 0) < 0 for s in scores)
    average = (f"{sum(values) / len(values):+.3f}", ranges(values)) if values else (NOTHING, NOTHING)
    model = (column.cell(records[0]) for column in networks)
    return (
        *model,
        share(records[0].find("shift")),
        str(len(values)),
        *map(number, means),
        *average,
        str(up),
        str(down),
    )


def gains(records: Sequence[Record]) -> list[Score]:
    """What the true grid gains each method that has a score both ways.

    In the unit of the main column: +.05 means five of a hundred cases more.
    """
    scores = (record.find(GAIN, origin="cross-fitted") for record in records)
    return [score for score in scores if score is not None and score.value is not None]


def conventions(records: Sequence[Record], dataset: str) -> list[Table]:
    """How much of the spread is convention, then method x convention.

    From records of the check ``conventions``; nothing where there are none. The table per metric has a column per
    convention and the range over them.
    """
    rows = select.of_check(records, dataset, "conventions")
    if not rows:
        return []
    intro = basis_lines(
        rows, "cross-fitted by patient, per finding, each convention for itself; fixed: .5 of the scaled picture"
    )
    names = convention_names(rows)
    tables = [_variance_table(rows, names, dataset, intro)]
    for metric, origin in MEASURES:
        columns = [
            *NAMES,
            *(score(f"{metric}@{name}", origin, name) for name in names),
            TableColumn("range", _range(metric, origin, names)),
        ]
        title = f"{dataset}: {metric} by convention" + ("" if origin == "none" else f", {origin} thresholds")
        tables.append(tabulated(title, intro, [*columns, count(f"{metric}@{names[0]}", origin)], rows))
    return tables


def convention_names(records: Sequence[Record]) -> tuple[str, ...]:
    """The conventions that records were scored under, our own first.

    By the names that stand behind ``pointing@`` in a record.
    """
    return tuple(dict.fromkeys(name for record in records for name in select.variants(record, "pointing")))


def _variance_table(records: Sequence[Record], names: Sequence[str], dataset: str, intro: str) -> Table:
    """Each model's table of methods x conventions taken apart, by each measure."""
    about = (
        "Shares of the squares around the grand mean: between methods, between conventions, and what is neither's "
        "alone. Range: largest − smallest score, over the methods under the first convention, and over the "
        "conventions, mean over methods. Order reversed: pairs of methods that some convention puts the other way "
        f"round. `peers`: without `{names[0]}`, which places maps where they look."
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
    return Table(f"{dataset}: how much of the difference is convention", f"{about}\n{intro}", header, tuple(rows))


def _range(metric: str, origin: Origin, names: Sequence[str]) -> Callable[[Record], str]:
    def cell(record: Record) -> str:
        values = _values(record, metric, origin, names)
        return number(max(values) - min(values)) if values else NOTHING

    return cell


def _variance_rows(records: Sequence[Record], label: str, names: Sequence[str]) -> list[tuple[str, ...]]:
    """A row per measure; none where fewer than two methods have a score under every convention."""
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
    """A network's scores under the conventions of ``names`` taken apart; None for fewer than two complete methods.

    A method counts where it has a score under every one of ``names``.
    """
    complete = [values for r in records if len(values := _values(r, metric, origin, names)) == len(names)]
    return variance_decomposition(complete) if len(complete) > 1 else None


def _values(record: Record, metric: str, origin: Origin, names: Sequence[str]) -> list[float]:
    return select.known(record.find(f"{metric}@{name}", origin=origin) for name in names)
