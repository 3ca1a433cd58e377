"""Best method of a network for each finding, how many may be as good, and whether it is above ``prior``."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.entries.entry import is_single
from benchmark.report.entries.ranking import NOT_SHOWN, against_prior
from benchmark.report.html.scope import name, network_name
from benchmark.report.leaderboard.layout import TableLayout
from benchmark.report.table import NOTHING, Table, number, signed, with_interval
from core.names import MAIN, PRIOR
from core.scores import Origin

HEADER = (
    "finding",
    "best method",
    "above prior?",
    "score [95%]",
    "− prior [95%]",
    "prior",
    "may be as good",
    "n cases",
)
ABOUT = (
    "The best method of this network for each finding, by `hit@iou.3`. `above prior?`: yes if the interval of the "
    "difference is above 0. `may be as good`: number of other methods that are not significantly worse than any "
    "method (5%, Holm over the comparisons of a method). The findings are tested separately, and the best method is "
    "chosen on these images. So its score is slightly too high, and some findings may be above prior only by chance."
)


def by_finding(methods: Sequence[Record], rows: Sequence[Record]) -> Table | None:
    """Return a table with a row per finding and the columns of ``HEADER``, or None if no finding has a score.

    ``methods``: the methods of one network, among ``rows``.
    """
    names = dict.fromkeys(f for row in methods for _, f in row.names(MAIN) if f != "mean")
    lines = [line for finding in names if (line := _of_finding(finding, methods, rows)) is not None]
    single = ", this run only" * all(map(is_single, methods))
    header = tuple(heading.replace("95%", f"95%{single}") for heading in HEADER)
    if not lines:
        return None
    cells, keys = zip(*lines, strict=True)
    title = f"{methods[0].cell.dataset}: best method of each finding, {network_name(methods[0])}"
    return Table(title, ABOUT, header, cells, tuple((key,) for key in keys))


def of_entry(row: Record) -> dict[str, list[Any]]:
    """Return finding -> value, ends of its interval, n, and whether the method may be the best (or None)."""
    verdicts = {s.finding: bool(s.value) for s in row.select("may_be_best")}
    scores = (s for s in row.select(MAIN) if s.threshold_origin == "cross-fitted")
    return {s.finding: [s.value, s.low, s.high, s.n, verdicts.get(s.finding)] for s in scores}


def of_protocol_table(layout: TableLayout, table: Table, by_key: Mapping[str, Record]) -> dict[str, Any]:
    """Return ``main``, the heading of a protocol's main metric, and ``rows``: key -> ``of_entry`` without verdicts."""
    metric, origin = layout.main
    rows = {keys[0]: _of_metric(by_key[keys[0]], metric, origin) for keys in table.keys if keys}
    chosen = f", {origin}" if origin not in (None, "none") else ""
    return {"main": f"{metric}{chosen} [95%]", "rows": rows}


def _of_metric(record: Record, metric: str, origin: Origin | None) -> dict[str, list[Any]]:
    scores = ((f, record.find(metric, f, origin)) for _, f in record.names(metric) if f != "mean")
    return {f: [*map(_short, (s.value, s.low, s.high)), s.n, None] for f, s in scores if s is not None}


def _short(value: float | None) -> float | None:
    """Round to the decimals of a table: a page has thousands of these values."""
    return None if value is None else float(number(value))


def _of_finding(finding: str, methods: Sequence[Record], rows: Sequence[Record]) -> tuple[tuple[str, ...], str] | None:
    """Return the table row of a finding and the key of its best method's row."""
    values = {row.key: value for row in methods if (value := select.main_value(row, finding)) is not None}
    if not values:
        return None
    scored = [row for row in methods if row.key in values]
    first = max(scored, key=lambda row: (values[row.key], row.find("above_prior", finding) is not None))
    verdicts = [score for row in scored if row is not first and (score := row.find("may_be_best", finding)) is not None]
    others = sum(bool(verdict.value) for verdict in verdicts)
    above, score = first.find("above_prior", finding), select.main_score(first, finding)
    of_network = (row for row in rows if select.model_key(row) == select.model_key(first))
    prior = next((select.main_value(row, finding) for row in of_network if row.cell.method == PRIOR), None)
    line = (
        *(finding, name(first), _verdict(first, finding, others), with_interval(score), signed(above)),
        number(prior),
        f"{others} of {len(verdicts)}" if verdicts else NOTHING,
        str(score.n) if score is not None else NOTHING,
    )
    return line, first.key


def _verdict(first: Record, finding: str, others: int) -> str:
    """Say whether the best method of a finding is above the prior, and how many others may be as good."""
    above = first.find("above_prior", finding)
    if above is None or above.value is None or (above.low is None and above.value > 0):
        return NOTHING
    if verdict := against_prior(first, finding):
        return "not shown" if verdict == NOT_SHOWN else verdict
    names = "one other" if others == 1 else f"{others} others"
    return f"yes, but {names} may be as good" if others else "yes, and better than all others"
