"""Charts equal the records, have the same bytes each time, and are small."""

import re
from pathlib import Path

import pytest
from matplotlib.lines import Line2D

from locus.benchmark import records
from locus.benchmark.report import charts, grouping, main_table, tables
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.core.scores import Estimate


def gathered(folder):
    return leaderboards(records.load(folder), CaseFolders(Path(folder)))[0]


@pytest.fixture(scope="module")
def demo():
    return gathered("results/demo")


def values(curve):
    return {round(float(x), 1): float(y) for x, y in curve.get_xydata()}


def test_curve_of_a_method_is_its_recorded_hits(demo):
    best = main_table.best_network(demo)
    by_label = {curve.get_label(): curve for curve in tables.hit_curves(demo, best)}
    (run,) = (r for r in grouping.main_records(demo.records, "phantom") if r.method == "xgradcam" and r.cell.global_pool == "PCAM")
    recorded = [run.find(f"hit@iou.{tenth}", threshold_source="cross-fitted").value for tenth in (1, 3, 5)]
    assert [values(by_label["xgradcam"])[level] for level in (0.1, 0.3, 0.5)] == pytest.approx(recorded, abs=1e-6)
    assert {*by_label} > {row.name for row in best[: tables.MAX_COLOURED]} | {"prior", "truth"}


def test_text_of_a_chart_is_text_and_groups_have_no_id():
    made = charts.lines([Line2D([0, 1], [0, 1], label="a < b"), Line2D([0, 1], [1, 0])], "", 3, xlabel="IoU")
    assert made.svg.startswith("<svg ")
    assert made.svg.count("a &lt; b") == made.svg.count(">IoU<") == 1
    assert "child" not in made.svg
    assert 'id="figure_1"' not in made.svg


def test_intervals_have_a_panel_per_question_and_a_dot_and_bar_per_value():
    values = {"one": [Estimate(0.1, 0.0, 0.2), None], "two": [Estimate(0.5), Estimate(0.4, 0.3, 0.5)]}
    made = charts.intervals({"class": values, "use": values}, ["cam", "gradcam"], "About.")
    assert made.svg.index(">class<") < made.svg.index(">use<")
    assert made.svg.count(">gradcam<") == 1  # the panels of a row share the names
    assert (made.about, made.is_wide) == ("About.", True)


def test_panels_of_intervals_are_beside_each_other_over_the_width_of_a_page():
    values = {"one": [Estimate(0.1, 0.0, 0.2)]}
    made = charts.intervals(dict.fromkeys("abcd", values), ["cam"], "")
    width, height = (float(number) for number in re.search(r'viewBox="0 0 (\S+) (\S+)"', made.svg).groups())
    assert width > 3 * height
    assert width == charts.WIDE_INCHES * 72


def test_arrows_point_from_alone_to_combined_with_the_numbers_beside_them():
    rows = [charts.Arrow("up", 0.1, 0.3, "+.050", True), charts.Arrow("down", 0.3, 0.2, "−.050", False)]
    made = charts.arrows(rows, 0.25, ("alone", "combined", "prior alone"), "share", "")
    assert made.svg.index(">up<") < made.svg.index(">down<")
    assert [made.svg.count(f">{text}<") for text in ("+.050", "−.050", "alone", "combined")] == [1, 1, 1, 1]
    assert made.is_wide
