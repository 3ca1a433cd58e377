"""Pictures of a suite, one file each: from the report's own rows to a chart in Vega-Lite.

A chart is a class with a ``name`` in a file of this folder, found by that file: ``CHARTS.names()``. Vega-Lite and not
static pictures: the scripts cost 0.9 MB once, a chart 2 to 40 kB, and for that a page's charts take the reader's light
or dark colours and the window's width and tell the number under the pointer, with its interval and its n. Where nothing
moves (paper, Markdown) ``benchmark.report.charts.figures`` draws the same chart as PDF, SVG or PNG without a browser.
"""

from benchmark.report.charts.base import CHARTS, Chart, ChartData, chart_data
from benchmark.report.charts.vega import as_json, scripts, spec, starter

__all__ = ["CHARTS", "Chart", "ChartData", "as_json", "chart_data", "scripts", "spec", "starter"]
