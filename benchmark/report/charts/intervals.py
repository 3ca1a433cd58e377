"""Chart of the entries with their intervals."""

from benchmark.report.charts.chart import Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import KINDS, MAY_BE_BEST, chart_row, count, entries, limited
from benchmark.report.charts.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, ROW, SHAPES, VERMILION
from benchmark.report.entries.aggregate import Leaderboard
from core.names import MAIN


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a line per entry: interval as a bar, value as a mark, a band if it may be the best of its network.

    Intervals cover training runs and patients if there are several runs, else patients only.
    """
    rows = entries(leaderboard)
    values = [chart_row(row) for row in limited(rows)]
    present = [kind for kind in KINDS if kind in {value["kind"] for value in values}]
    colours = dict(zip(KINDS, (BLUE, VERMILION, ORANGE, GREY, GREEN, PURPLE), strict=True))
    marks = dict(zip(KINDS, SHAPES, strict=False))
    colour = {"color": field("kind:N", **scale(domain=present, range=[colours[kind] for kind in present]))}
    shape = {"shape": field("kind:N", **scale(domain=present, range=[marks[kind] for kind in present]))}
    y = {"y": field("entry:N", sort=None, title=None)}
    x = {"x": field("low:Q", title=f"{MAIN} [95 %]", **scale(domain=[0, 1])), "x2": {"field": "high"}}
    hint = tooltip("entry:N", "kind:N", "value:Q", "low:Q", "high:Q", "interval:N", "n:Q")
    best = {"transform": [{"filter": f"(datum.kind === '{MAY_BE_BEST}')"}]}
    band = mark("rect", y, color=BLUE, opacity=0.13) | best
    bar = mark("rule", y, x, colour, strokeWidth=4, strokeOpacity=0.55)
    point = mark("point", y, {"x": field("value:Q")}, colour, shape, hint, filled=True, opacity=1, size=45)
    about = (
        f"{count(rows)} of {leaderboard.dataset}, and the baselines, by network: {MAIN} with its 95 % interval. "
        "Shaded: no other method of the network is significantly better (5 %, Holm). The interval of an entry with "
        "one training run covers new patients only, not other runs."
    )
    return view(values, about, ROW * len(values), band, bar, point)
