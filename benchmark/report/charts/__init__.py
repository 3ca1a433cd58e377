"""Charts of a suite in Vega-Lite. The ``draw`` function of each chart returns a specification.

A page includes 0.9 MB of scripts, and 2 to 40 kB per chart. In return, charts follow the reader's colour scheme and
window width and show value, interval and n in a tooltip. ``figures`` draws the same charts as PDF, SVG or PNG.
"""

from benchmark.report.charts import per_row, thresholds
from benchmark.report.charts.chart import Chart

CHARTS = (
    Chart("intervals", "Entries with their intervals", per_row.draw_intervals),
    Chart("matrix", "Findings and methods", per_row.draw_matrix),
    Chart("iou_thresholds", "Hits over the IoU threshold", thresholds.draw_iou),
    Chart("score_thresholds", "Hits over the score threshold", thresholds.draw_score),
    Chart("seeds", "Individual training runs", per_row.draw_seeds),
    Chart("strata", "Groups of cases", per_row.draw_strata),
)
"""Charts of a leaderboard, in the order of the page. Checks have other charts: see ``report.checks``."""
