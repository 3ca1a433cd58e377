"""Charts equal the records, are reproducible, and give a reason if they have no data."""

import csv
import json
from pathlib import Path

import altair as alt
import pytest

from locus.benchmark import records
from locus.benchmark.report import chart_list, literature, select
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.validity.protocols_report import ProtocolsReport
from locus.benchmark.validity.randomised_report import RandomisedReport
from locus.config import CHECKS as CHECK_NAMES
from locus.core.errors import NotAvailableError
from locus.core.names import MAIN
from locus.core.scores import CURVE_THRESHOLDS

CHECKS = (ProtocolsReport, RandomisedReport)
CHARTS = {chart.name: chart for chart in (*chart_list.CHARTS, *(chart for check in CHECKS for chart in check.charts))}


def gathered(folder):
    return leaderboards(records.load(folder), CaseFolders(Path(folder)))[0]


@pytest.fixture(scope="module")
def demo():
    return gathered("results/demo")


@pytest.fixture(scope="module")
def several(three_trainings):
    return gathered(three_trainings)


def values(word, data):
    """The rows that all layers of a chart share."""
    (rows,) = CHARTS[word].spec(data)["datasets"].values()
    return rows


def of(data, method):
    """The main records of a method on the PCAM network, one per training run."""
    return [r for r in select.main_records(data.records, "phantom") if (r.method, r.cell.global_pool) == (method, "PCAM")]


def test_bars_equal_the_recorded_intervals(demo):
    (row,) = (row for row in values("intervals", demo) if row["entry"] == "cam · small CNN with PCAM")
    score = select.main_score(of(demo, "cam")[0])
    assert (row["value"], row["low"], row["high"], row["n"]) == (score.value, score.low, score.high, score.n)
    assert row["interval"] == "one training run"


def test_methods_that_may_be_the_best_are_shaded(demo):
    kinds = {row["entry"]: row["kind"] for row in values("intervals", demo)}
    rows = csv.DictReader(Path("results/demo/leaderboard.csv").read_text().splitlines())
    may_be_best = {
        f"{row['method']} · small CNN with {row['global_pool']}" for row in rows if row["may_be_best"] == "True" and row["kind"] == "method"
    }
    assert {name for name, kind in kinds.items() if kind == "may be the best"} == may_be_best
    assert (kinds["cam · small CNN with PCAM"], kinds["prior"], kinds["truth"]) == ("worse or ≤ prior", "baseline", "upper bound")


def test_matrix_equals_the_recorded_findings(demo):
    cells = {row["finding"]: row["value"] for row in values("matrix", demo) if row["entry"] == "cam · small CNN with PCAM"}
    assert cells == {s.finding: s.value for s in of(demo, "cam")[0].scores if (s.metric, s.threshold_origin) == (MAIN, "cross-fitted")}


def test_iou_curve_equals_the_recorded_hits(demo):
    curve = {(row["entry"], row["threshold"]): row["value"] for row in values("iou_thresholds", demo)}
    recorded = [of(demo, "xgradcam")[0].find(f"hit@iou.{tenth}", origin="cross-fitted").value for tenth in (1, 3, 5)]
    assert [curve["xgradcam", level] for level in (0.1, 0.3, 0.5)] == pytest.approx(recorded, abs=1e-6)


def test_threshold_marks_equal_the_recorded_hits(demo):
    rows = [row for row in values("score_thresholds", demo) if row["entry"] == "prior"]
    marks = {row["origin"]: row["value"] for row in rows if "origin" in row}
    assert marks == {origin: pytest.approx(of(demo, "prior")[0].find(MAIN, origin=origin).value) for origin in marks}
    assert {"cross-fitted", "oracle", "fixed"} <= marks.keys()
    (line,) = (row["value"] for row in rows if "trainings" in row and row["threshold"] == 0.5)
    assert line == marks["fixed"]


def test_threshold_line_is_the_mean_over_runs_with_a_curve(several):
    curves = {0: (), 1: tuple(n / 40 for n in range(20)), 2: tuple(n / 20 for n in range(20))}
    held = [r.model_copy(update={"hits_by_threshold": curves[r.cell.seed or 0]}) for r in several.records]
    (data,) = leaderboards(held, several.folders)
    lines = [row for row in values("score_thresholds", data) if "trainings" in row and "PCAM" in row["entry"]]
    assert {row["threshold"]: row["value"] for row in lines} == {t: pytest.approx(0.75 * t) for t in CURVE_THRESHOLDS}
    assert {row["trainings"] for row in lines} == {"2 of 3"}
    assert f"{lines[0]['entry']} (2 of 3)" in CHARTS["score_thresholds"].spec(data)["description"]


def test_groups_equal_the_recorded_strata(demo):
    (small,) = (r for r in values("strata", demo) if (r["entry"], r["group"]) == ("prior", "size: small"))
    (stratum,) = (s for s in of(demo, "prior")[0].strata if s.group == "small")
    score = next(s for s in stratum.scores if (s.metric, s.finding) == (MAIN, "mean"))
    assert (small["value"], small["n"]) == (score.value, score.n)


def test_dots_are_training_runs(several):
    dots = {row["seed"]: row["value"] for row in values("seeds", several) if row["entry"] == "cam · small CNN with PCAM"}
    assert dots == {record.cell.seed: select.main_value(record) for record in of(several, "cam")}
    assert len(dots) == 3


def test_a_chart_without_data_says_why(demo):
    with pytest.raises(NotAvailableError, match="one training"):
        CHARTS["seeds"].spec(demo)


def test_the_same_records_give_the_same_bytes(demo):
    (backwards,) = leaderboards(demo.records[::-1], demo.folders)
    for word in ("intervals", "matrix", "strata"):
        assert json.dumps(CHARTS[word].spec(demo)) == json.dumps(CHARTS[word].spec(backwards))


@pytest.mark.contract
@pytest.mark.parametrize("word", CHARTS)
def test_every_chart_is_valid_vega_lite(word, request):
    board = request.getfixturevalue("several" if word == "seeds" else "demo")
    folder = "nih" if word == literature.CHART.name else word
    data = gathered(f"results/{folder}") if folder in (*CHECK_NAMES, "nih") else board
    chart = alt.Chart.from_dict(CHARTS[word].draw(data))  # Altair holds it against Vega-Lite's schema
    assert chart.to_dict()["description"]
