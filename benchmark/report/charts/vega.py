"""A chart as Vega-Lite in JSON, and the scripts that draw it in a page."""

import json
from collections.abc import Iterator
from typing import Any

from benchmark.report.charts.base import CHARTS, Chart, ChartData
from benchmark.report.charts.theme import LETTER, LIGHTER, NAMES, SYMBOL, THEMES

FIT: dict[str, Any] = {"autosize": {"type": "fit-x", "contains": "padding"}}
"""As wide as it is told, with all that stands beside the marks."""
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


def spec(word: str, data: ChartData) -> dict[str, Any]:
    """The chart of a word as Vega-Lite, without its colours of ground and letters. ``NotAvailableError``: no data.

    Whether it is valid the tests ask: Altair's check of every part of it takes longer than all else.
    """
    chart: Chart = CHARTS.get(word)()
    made = chart.draw(data)
    return made | FIT | {"usermeta": {"legend": LETTER * max(map(len, _words(made)), default=0) + SYMBOL}}


def _words(part: Any) -> Iterator[str]:
    """What a chart's legends name."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if key == "domain" and value and isinstance(value[0], str):
            yield from value
        else:
            yield from _words(value)


def as_json(made: dict[str, Any]) -> str:
    """Compact JSON that may stand in a page's script: the same chart gives the same bytes.

    ``<`` is escaped, so that no text of a suite can end the script. Raises ``ValueError`` for nan.
    """
    text = json.dumps(made, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def scripts() -> str:
    """Vega, Vega-Lite and vega-embed with what draws a page's charts, in 0.9 MB: to be inlined once."""
    import vl_convert  # it starts a browser's engine: only who writes a page waits for that

    return vl_convert.javascript_bundle(starter())


def starter() -> str:
    """What draws a page's charts with Vega."""
    words = {"options": OPTIONS, "themes": THEMES, "lighter": LIGHTER, "names": NAMES}
    return STARTER.format(**{name: json.dumps(value) for name, value in words.items()})
