"""The charts of a page: title, description and Vega-Lite specification."""

import contextlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark.report.charts import CHARTS
from benchmark.report.charts.theme import LIGHTER, NAMES, THEMES
from benchmark.report.leaderboard.dataset_tables import DatasetTables
from core.errors import NotAvailableError, WriteError
from core.files import json_hash, write_text

AS_TABLE = ("matrix",)
"""Charts that the page shows as tables."""
OPTIONS = {"mode": "vega-lite", "renderer": "svg", "actions": False, "tooltip": {"theme": "dark"}}
STARTER = """window.drawCharts = () => {{
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;
  const theme = {themes}[dark ? "dark" : "light"];
  return Promise.all([...document.querySelectorAll("[data-chart]")].map((element) => {{
    const text = document.getElementById(element.dataset.chart).textContent, lighter = Object.entries({lighter});
    const chart = JSON.parse(dark ? lighter.reduce((now, [from, to]) => now.replaceAll(from, to), text) : text);
    const columns = Math.max(1, Math.floor((element.clientWidth - {names}) / chart.usermeta.legend));
    const config = {{...theme, legend: {{...theme.legend, columns}}}};
    return vegaEmbed(element, {{...chart, width: element.clientWidth}}, {{...{options}, config}});
  }}));
}};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", window.drawCharts);
addEventListener("resize", lodashDebounce(window.drawCharts, 200));
for (const moment of ["beforeprint", "afterprint"]) addEventListener(moment, window.drawCharts);
addEventListener("DOMContentLoaded", window.drawCharts);
"""
"""Fills each ``<div data-chart="ID">`` with the chart of ``<script type="application/json" id="ID">``."""
SETTINGS = {"options": OPTIONS, "themes": THEMES, "lighter": LIGHTER, "names": NAMES}
SCRIPT = STARTER.format(**{name: json.dumps(value) for name, value in SETTINGS.items()})
CACHE = Path(__file__).resolve().parents[3] / "runs" / "cache"


def charts(tables: DatasetTables) -> list[dict[str, Any]]:
    """Return ``id``, ``title``, ``dataset``, caption and specification of the charts of a data set and of its checks.

    A chart without data has the reason as its caption and no specification.
    """
    of_methods = [chart for chart in CHARTS if chart.name not in AS_TABLE] if tables.methods else []
    of_checks = (chart for report in tables.reports for chart in report.charts)
    dataset, views = tables.leaderboard.dataset, []
    for chart in (*of_methods, *of_checks):
        try:
            drawn = chart.spec(tables.leaderboard)
            about = {"about": drawn["description"], "spec": drawn}
        except NotAvailableError as error:
            about = {"about": str(error), "spec": None}
        views.append({"id": f"chart-{dataset}-{chart.name}", "title": chart.title, "dataset": dataset, **about})
    return views


def scripts() -> str:
    """Return Vega, Vega-Lite, vega-embed and ``SCRIPT`` as one script (0.9 MB), to be inlined once."""
    import vl_convert  # starts a browser engine, only needed for pages

    return vl_convert.javascript_bundle(SCRIPT)


def drawing() -> str:
    """Return the scripts that draw the charts. Bundling takes seconds, so they are cached in ``runs/cache``."""
    cached = CACHE / f"vega-{version('vl-convert-python')}-{json_hash(SCRIPT)}.js"
    if cached.is_file():
        return cached.read_text(encoding="utf-8")
    text = scripts()
    with contextlib.suppress(WriteError):  # in a read-only checkout, the next page bundles them again
        write_text(cached, text)
    return text
