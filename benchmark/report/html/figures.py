"""The charts of a page: title, description and Vega-Lite specification."""

import contextlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark.report.charts import CHARTS
from benchmark.report.charts.vega import scripts, spec, starter
from benchmark.report.leaderboard.sections import DatasetTables
from core.errors import NotAvailableError, WriteError
from core.files import key, write_text

AS_TABLE = ("matrix",)
"""Charts that the page shows as tables."""
CACHE = Path(__file__).resolve().parents[3] / "runs" / "cache"


def charts(tables: DatasetTables) -> list[dict[str, Any]]:
    """Return ``id``, ``title``, ``dataset``, caption and specification of the charts of a data set and of its checks.

    A chart without data has the reason as its caption and no specification.
    """
    of_board = [chart for chart in CHARTS if chart.name not in AS_TABLE] if tables.boards else []
    of_checks = (chart for report in tables.reports for chart in report.charts)
    dataset, views = tables.leaderboard.dataset, []
    for chart in (*of_board, *of_checks):
        try:
            drawn = spec(chart, tables.leaderboard)
            about = {"about": drawn["description"], "spec": drawn}
        except NotAvailableError as error:
            about = {"about": str(error), "spec": None}
        views.append({"id": f"chart-{dataset}-{chart.name}", "title": chart.title, "dataset": dataset, **about})
    return views


def drawing() -> str:
    """Return the scripts that draw the charts. Bundling takes seconds, so they are cached in ``runs/cache``."""
    cached = CACHE / f"vega-{version('vl-convert-python')}-{key(starter())}.js"
    if cached.is_file():
        return cached.read_text(encoding="utf-8")
    text = scripts()
    with contextlib.suppress(WriteError):  # in a read-only checkout, the next page bundles them again
        write_text(cached, text)
    return text
