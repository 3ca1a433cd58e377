"""Charts of a suite in Vega-Lite, one file each.

Each chart is a class with a ``name`` in a file of this folder; ``CHARTS.names()`` lists them. Vega-Lite needs 0.9 MB of
scripts per page and 2 to 40 kB per chart. In return, charts follow the reader's colour scheme and window width and show
value, interval and n in a tooltip. ``benchmark.report.charts.figures`` draws the same charts as PDF, SVG or PNG.
"""

from benchmark.report.charts.base import CHARTS, Chart, ChartData, chart_data
from benchmark.report.charts.vega import as_json, scripts, spec, starter

__all__ = ["CHARTS", "Chart", "ChartData", "as_json", "chart_data", "scripts", "spec", "starter"]
