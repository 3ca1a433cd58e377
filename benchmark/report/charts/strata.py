"""Chart of the best entries within groups of cases."""

from benchmark.report import select
from benchmark.report.charts.chart import Row, Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import leading, leading_words
from benchmark.report.charts.theme import PALETTE, SHAPES
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import Entry
from benchmark.report.leaderboard.strata import within
from core.errors import NotAvailableError
from core.names import MAIN


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a line per group and a mark per entry, with an interval if the entry has one training run.

    Raises ``NotAvailableError`` if no record has groups.
    """
    rows = leading(leaderboard)
    values = [value for label, row in rows.items() for value in groups(label, row)]
    if not values:
        raise NotAvailableError(f"the records of {leaderboard.dataset} have no groups of cases")
    order = [*rows]
    base = {
        "y": field("group:N", sort=None, title=None),
        "yOffset": field("entry:N", sort=order),
        "color": field("entry:N", sort=None, **scale(domain=order, range=list(PALETTE))),
    }
    position = {
        "x": field("value:Q", title=MAIN, **scale(domain=[0, 1])),
        "shape": field("entry:N", sort=None, **scale(domain=order, range=list(SHAPES))),
    }
    hint = tooltip("entry:N", "group:N", "value:Q", "low:Q", "high:Q", "n:Q")
    rule = mark("rule", base, {"x": field("low:Q"), "x2": {"field": "high"}}, strokeOpacity=0.6)
    point = mark("point", base, position, hint, filled=True, size=34, opacity=1)
    about = (
        f"{leaderboard.dataset}: {MAIN} within groups of the cases, for {leading_words(leaderboard)}. "
        "Groups may contain different findings."
    )
    if any("low" in value for value in values):
        about += " Only entries with one training run have an interval here."
    lines = len({value["group"] for value in values})
    return view(values, about, 9 * (len(rows) + 1) * lines, rule, point)


def groups(label: str, row: Entry) -> list[Row]:
    """Return a row's value in each group, the mean over its training runs; with the interval if there is one run."""
    names = dict.fromkeys((s.variable, s.group) for record in row.runs for s in record.strata)
    out: list[Row] = []
    for variable, group in names:
        scores = [score for record in row.runs if (score := within((variable, group), record)) is not None]
        value = select.mean(scores)
        if value is not None:
            ends = {"low": scores[0].low, "high": scores[0].high} if len(row.runs) == 1 else {}
            about: Row = {"entry": label, "group": f"{variable}: {group}", "n": scores[0].n}
            out.append(about | {"value": round(value, 6)} | ends)
    return out
