"""The chart of published results beside ``fixed_box``."""

from pathlib import Path

import pytest

from locus.benchmark import records
from locus.benchmark.audit import literature
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.core.names import MAIN

NIH = Path("results/nih")


def values(curve):
    return {round(float(x), 1): float(y) for x, y in curve.get_xydata()}


def test_curve_of_fixed_box_is_its_row_and_papers_with_one_threshold_are_points():
    nih = leaderboards(records.load(NIH), CaseFolders(NIH))[0]
    published = literature.PublishedResults(nih)
    drawn = {curve.get_label(): curve for curve in published.curves(published.box)}
    row = next(row for row in nih.without_network if row.name == "fixed_box")
    assert values(drawn[literature.SEES_NOTHING])[0.3] == pytest.approx(row.scores[MAIN].value, abs=1e-6)
    points = [curve for curve in drawn.values() if len(curve.get_xydata()) == 1]
    assert points
    assert all(curve.get_marker() != "None" and curve.get_linestyle() == "None" for curve in points)
