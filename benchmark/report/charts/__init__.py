"""Charts of a suite in Vega-Lite. The ``draw`` function of each file returns a specification.

A page includes 0.9 MB of scripts, and 2 to 40 kB per chart. In return, charts follow the reader's colour scheme and
window width and show value, interval and n in a tooltip. ``figures`` draws the same charts as PDF, SVG or PNG.
"""

from benchmark.report.charts import components, cost, intervals, iou_thresholds, matrix, score_thresholds, seeds, strata
from benchmark.report.charts.chart import Chart

COMPONENTS = Chart("components", "Components of variance", components.draw)
CHARTS = (
    Chart("intervals", "Entries with their intervals", intervals.draw),
    Chart("matrix", "Findings and methods", matrix.draw),
    Chart("iou_thresholds", "Hits over the IoU threshold", iou_thresholds.draw),
    Chart("score_thresholds", "Hits over the score threshold", score_thresholds.draw),
    Chart("seeds", "Individual training runs", seeds.draw),
    COMPONENTS,
    Chart("cost", "Cost against score", cost.draw),
    Chart("strata", "Groups of cases", strata.draw),
)
"""Charts of a leaderboard, in the order of the page. Checks have other charts: see ``report.checks``."""
