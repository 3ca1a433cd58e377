"""Charts as Vega-Lite JSON, and the scripts that draw them in a page."""

import json
from collections.abc import Iterator
from typing import Any

from benchmark.report.charts.chart import Chart, Spec
from benchmark.report.charts.theme import LETTER, LIGHTER, NAMES, SYMBOL, THEMES
from benchmark.report.entries.aggregate import Leaderboard

FIT: dict[str, Any] = {"autosize": {"type": "fit-x", "contains": "padding"}}
"""Fit the given width, including axes and labels."""
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


def spec(chart: Chart, leaderboard: Leaderboard) -> Spec:
    """Return a chart as Vega-Lite, without a theme. Raises ``NotAvailableError`` without data.

    Only the tests validate it, because Altair's validation is slow.
    """
    made = chart.draw(leaderboard)
    return made | FIT | {"usermeta": {"legend": LETTER * max(map(len, _words(made)), default=0) + SYMBOL}}


def _words(part: Any) -> Iterator[str]:
    """Yield the labels of a chart's legends."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if key == "domain" and value and isinstance(value[0], str):
            yield from value
        else:
            yield from _words(value)


def scripts() -> str:
    """Return Vega, Vega-Lite, vega-embed and ``starter`` as one script (0.9 MB), to be inlined once."""
    import vl_convert  # starts a browser engine, only needed for pages

    return vl_convert.javascript_bundle(starter())


def starter() -> str:
    """Return the script that draws a page's charts with Vega."""
    words = {"options": OPTIONS, "themes": THEMES, "lighter": LIGHTER, "names": NAMES}
    return STARTER.format(**{name: json.dumps(value) for name, value in words.items()})
