"""Tables of the validity checks, from planted records."""

import pytest

from benchmark.records import Cell, Record, Score
from benchmark.report.leaderboard.dataset_tables import tables_of
from benchmark.report.page import Description, page
from benchmark.validity.alignment.report import GAIN, AlignmentReport
from benchmark.validity.randomised.report import RandomisedReport, marks
from tests.benchmark.report.given import leaderboard

MAIN = "hit@iou.3"


def score(metric, value, low=None, high=None, finding="mean", n=40):
    origin = "cross-fitted" if MAIN in metric else "none"
    return Score(finding=finding, metric=metric, value=value, low=low, high=high, n=n, threshold_origin=origin)


def record(check, method, scores, **fields):
    cell = {"dataset": "phantom", "backbone": "resnet18", "global_pool": "AVG", "img_size": 96, "seed": 0, "model_id": "m", **fields}
    return Record(cell=Cell(**cell, method=method, protocol=check), scores=tuple(scores))


def cascade(method, rho, change, high, head=0.1, **fields):
    sizes = [score("rho@head", head), score("rho@stem", rho, rho - 0.1, rho + 0.1), score("rho_abs@head", 0.1), score("rho_abs@stem", rho)]
    hits = [score(f"{MAIN}@{part}", 0.5) for part in ("trained", "head", "stem")]
    changes = [score(f"change@{MAIN}@head", 0), score(f"change@{MAIN}@stem", change, change - 0.1, high)]
    return record("randomised", method, [*sizes, *hits, *changes], **fields)


@pytest.mark.byhand
def test_marks_of_methods_that_do_not_depend_on_the_weights():
    assert "; ".join(marks(cascade("a", 0.51, -0.3, -0.1))) == "does not change"
    assert "; ".join(marks(cascade("b", 0.50, -0.3, 0.0))) == "hits stay"
    assert "; ".join(marks(cascade("c", 0.98, 0.0, 0.0))) == "does not change; hits stay"
    assert "; ".join(marks(cascade("d", 0.02, -0.3, -0.1))) == ""
    assert "; ".join(marks(cascade("e", 0.02, -0.3, -0.1, head=0.8))) == "blind to the head"
    assert "; ".join(marks(cascade("f", 0.9, -0.3, -0.1, head=0.8))) == "does not change"


@pytest.mark.byhand
def test_change_without_an_interval_is_judged_by_its_value():
    without = cascade("a", 0.1, 0.0, None)
    assert marks(without) == ["hits stay"]


def test_parts_are_columns_from_the_head_down_and_each_kind_of_network_has_its_tables():
    other = record("randomised", "cam", [score("rho@head", 0.1), score("rho@features.0", 0.2)], backbone="custom")
    tables = RandomisedReport(
        "randomised", leaderboard([cascade("cam", 0.1, -0.3, -0.1), cascade("center", 1.0, 0.0, 0.0), other])
    ).tables()
    assert [table.header[-6:] for table in tables[::2]] == [
        ("method", "head", "features.0 (all)", "absolute values, all", "n cases", ""),
        ("method", "head", "stem (all)", "absolute values, all", "n cases", ""),
    ]
    assert len(tables) == 4
    assert tables[2].rows[-1][-1] == "does not change; hits stay"


def placed(method, gain, low, high, **fields):
    sides = [score(f"{MAIN}@conventional", 0.3), score(f"{MAIN}@aligned", 0.3 + gain)]
    return record("alignment", method, [*sides, score(GAIN, gain, low, high), score("shift", 0.16)], **fields)


@pytest.mark.byhand
def test_gain_of_a_network_is_the_mean_over_methods_with_its_ends():
    every = [placed("cam", 0.2, 0.1, 0.3), placed("gradcam", -0.1, -0.2, -0.01), placed("layercam", 0.05, -0.1, 0.2)]
    summary, single = AlignmentReport("alignment", leaderboard([*every, placed("cam", 0.0, 0.0, 0.0, img_size=224)])).tables()
    row = dict(zip(summary.header, summary.rows[0], strict=True))
    assert (row["size"], row["shift"], row["n methods"], row["gain"]) == ("96", "0.160", "3", "+0.050")
    assert (row["least … most"], row["up"], row["down"]) == ("-0.100 … +0.200", "1", "1")
    assert [r[summary.header.index("size")] for r in summary.rows] == ["96", "224"]
    assert len(single.rows) == 4


def painted(method, values, **fields):
    names = ("ours", "grad-cam", "captum")
    return record(
        "alignment", method, [score(f"{m}@{n}", v) for m in (MAIN, "pointing") for n, v in zip(names, values, strict=True)], **fields
    )


@pytest.mark.byhand
def test_pictures_have_a_table_per_metric_for_the_records_that_have_them():
    records = [painted("a", (0.6, 0.3, 0.3)), painted("b", (0.4, 0.1, 0.1)), placed("cam", 0.2, 0.1, 0.3)]
    _, single, hits, _, pointing = AlignmentReport("alignment", leaderboard(records)).tables()
    assert (len(single.rows), len(hits.rows), len(pointing.rows)) == (3, 2, 2)
    assert hits.header[-5:] == ("ours", "grad-cam", "captum", "range", "n cases")
    assert hits.rows[0][-5:] == ("0.600", "0.300", "0.300", "0.300", "40")


def test_page_without_a_check_has_none_of_these_tables():
    plain = record("pointing", "cam", [score("pointing", 0.5)])
    part = tables_of(leaderboard([plain]))
    assert part.checks == ()
    assert "randomised" not in page([plain], Description("t"), datasets=[part])
