"""The charts of a page: title, description and Vega-Lite specification."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark.report.charts import CHARTS
from benchmark.report.charts.chart import Chart
from benchmark.report.charts.vega import scripts, spec, starter
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.leaderboard.sections import DatasetTables
from core.errors import NotAvailableError, WriteError
from core.files import key, write_text

AS_TABLE = ("matrix",)
"""Charts that the page shows as tables."""
CACHE = Path(__file__).resolve().parents[3] / "runs" / "cache"


@dataclass(frozen=True)
class ChartView:
    """A chart of a page."""

    id: str
    title: str
    dataset: str
    about: str
    """Caption and alternative text; the reason if there is no chart."""
    spec: Mapping[str, Any] | None
    """Vega-Lite specification; None if there is nothing to draw."""


def charts(tables: DatasetTables) -> list[ChartView]:
    """Return the charts of a data set and of its checks; a chart without data has the reason instead."""
    of_board = [chart for chart in CHARTS if chart.name not in AS_TABLE] if tables.boards else []
    of_checks = (chart for report in tables.reports for chart in report.charts)
    return [_view(chart, tables.leaderboard) for chart in (*of_board, *of_checks)]


def _view(chart: Chart, leaderboard: Leaderboard) -> ChartView:
    """Return the chart, or the reason why it cannot be drawn."""
    id_ = f"chart-{leaderboard.dataset}-{chart.name}"
    try:
        made = spec(chart, leaderboard)
    except NotAvailableError as error:
        return ChartView(id_, chart.title, leaderboard.dataset, str(error), None)
    return ChartView(id_, chart.title, leaderboard.dataset, str(made["description"]), made)


def drawing() -> str:
    """Return the scripts that draw the charts. Bundling takes seconds, so they are cached in ``runs/cache``."""
    cached = CACHE / f"vega-{version('vl-convert-python')}-{key(starter())}.js"
    if cached.is_file():
        return cached.read_text(encoding="utf-8")
    text = scripts()
    with contextlib.suppress(WriteError):  # in a read-only checkout, the next page bundles them again
        write_text(cached, text)
    return text
