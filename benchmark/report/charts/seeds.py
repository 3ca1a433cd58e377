"""Chart of the spread between the training runs of an entry."""

from benchmark.report import select
from benchmark.report.charts.chart import Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import MOST, entries
from benchmark.report.charts.theme import BLUE, GREY, ROW
from benchmark.report.entries.aggregate import Leaderboard
from core.errors import NotAvailableError
from core.names import MAIN


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a line per entry with several training runs: a dot per run and a stroke at the mean.

    Raises ``NotAvailableError`` if every entry has one training run.
    """
    rows = [(label, row) for label, row in entries(leaderboard).items() if len(row.runs) > 1 and select.is_method(row)]
    if not rows:
        raise NotAvailableError(
            f"every entry of {leaderboard.dataset} has one training run: run the suite with more seeds"
        )
    values = [
        {"entry": label, "seed": run.cell.seed, "value": select.main_value(run), "mean": select.main_value(row)}
        for label, row in rows[:MOST]
        for run in row.runs
    ]
    y = {"y": field("entry:N", sort=None, title=None)}
    x = {"x": field("value:Q", title=f"{MAIN} of each training run", **scale(zero=False, nice=True))}
    hint = tooltip("entry:N", "seed:O", "value:Q", "mean:Q")
    mean = mark("tick", y, {"x": field("mean:Q")}, thickness=2, size=13, color=GREY)
    dots = mark("point", y, x, hint, filled=True, size=38, opacity=0.75, color=BLUE)
    about = (
        f"{leaderboard.dataset}: {MAIN} of each training run, with a dot per seed and a stroke at the mean; "
        f"the first {min(MOST, len(rows))} of {len(rows)} entries with several training runs, network by network."
    )
    return view(values, about, ROW * min(MOST, len(rows)), mean, dots)
