"""Tables and sentences of the validity checks, from planted records."""

import pytest

from locus.benchmark.records import Cell, Record, Score
from locus.benchmark.report.grouping import Row
from locus.benchmark.report.page import DatasetTables, Description, page
from locus.benchmark.validity import REPORTS
from locus.benchmark.validity.randomised_report import RandomisedReport
from locus.benchmark.validity.randomised_report import marks as marks_of_row
from tests.benchmark.report.given import leaderboard

MAIN = "hit@iou.3"


def score(metric, value, low=None, high=None, finding="mean", n=40):
    threshold_source = "cross-fitted" if MAIN in metric else "none"
    return Score(finding=finding, metric=metric, value=value, low=low, high=high, n=n, threshold_source=threshold_source)


def record(check, method, scores, **fields):
    cell = {"dataset": "phantom", "backbone": "resnet18", "global_pool": "AVG", "img_size": 96, "seed": 0, "model_id": "m", **fields}
    return Record(cell=Cell(**cell, method=method, protocol=check), scores=tuple(scores))


def cascade(method, rho, change, high, head=0.1, **fields):
    sizes = [score("rho@head", head), score("rho@stem", rho, rho - 0.1, rho + 0.1), score("rho_abs@head", 0.1), score("rho_abs@stem", rho)]
    hits = [score(f"{MAIN}@{part}", 0.5) for part in ("trained", "head", "stem")]
    changes = [score(f"change@{MAIN}@head", 0), score(f"change@{MAIN}@stem", change, change - 0.1, high)]
    return record("randomised", method, [*sizes, *hits, *changes], **fields)


def marks(record):
    return marks_of_row(Row.of([record]))


@pytest.mark.byhand
def test_marks_of_methods_that_do_not_depend_on_the_weights():
    assert marks(cascade("a", 0.51, -0.3, -0.1)) == ["does not change"]
    assert marks(cascade("b", 0.50, -0.3, 0.0)) == ["hits stay"]
    assert marks(cascade("c", 0.98, 0.0, 0.0)) == ["does not change", "hits stay"]
    assert marks(cascade("d", 0.02, -0.3, -0.1)) == []
    assert marks(cascade("e", 0.02, -0.3, -0.1, head=0.8)) == ["blind to the head"]
    assert marks(cascade("f", 0.9, -0.3, -0.1, head=0.8)) == ["does not change"]
    assert marks(cascade("g", 0.1, 0.0, None)) == ["hits stay"]  # without an interval, its value counts


def test_parts_are_columns_from_the_head_down_and_each_kind_of_network_has_its_tables():
    other = record("randomised", "cam", [score("rho@head", 0.1), score("rho@features.0", 0.2)], backbone="custom")
    records = [cascade("cam", 0.1, -0.3, -0.1), cascade("center", 1.0, 0.0, 0.0), other]
    tables = RandomisedReport(leaderboard(records)).tables()
    for table, last in zip(tables[::2], ("features.0 (all)", "stem (all)"), strict=True):
        assert table.header[-6:] == ("method", "head", last, "absolute values, all", "n cases", "")
    assert len(tables) == 4
    assert tables[2].rows[-1][-1] == "does not change; hits stay"


def said(records):
    (report,) = DatasetTables(leaderboard(records), REPORTS).reports
    return tuple(report.sentences())


@pytest.mark.byhand
def test_sentences_name_methods_whose_maps_change_or_not():
    stays, changes, blind = cascade("a", 0.9, -0.3, -0.1), cascade("b", 0.2, -0.4, -0.2), cascade("c", 0.1, -0.2, -0.1, head=0.8)
    first, second, third, fourth, fifth = said([stays, changes, blind, cascade("center", 1.0, 0.0, 0.0, head=1.0)])
    assert first.startswith("The maps of `a` (resnet18 with AVG 0.900) hardly change with all weights randomised")
    assert second.startswith("The maps of 2 other methods on 1 network change. ")
    assert "at most 0.200 (`b`, resnet18 with AVG; " in second
    assert third == f"All methods lose hits: the smallest change of `{MAIN}` is -0.200 [-0.300, -0.100] (`c`, resnet18 with AVG)."
    assert fourth.startswith("With only the head randomised, the maps of `c` (resnet18 with AVG 0.800) hardly change")
    assert fifth == "`center` do not use the weights. They are marked, as expected."


@pytest.mark.byhand
def test_sentences_name_methods_whose_hits_stay():
    _, stay, others = said([cascade("a", 0.2, 0.1, 0.2), cascade("b", 0.2, -0.4, -0.2)])
    assert stay == "Hits stay with all weights randomised: `a` (resnet18 with AVG 0.100)."
    assert others.startswith(f"All other methods lose hits: the smallest change of `{MAIN}` is -0.400")


def test_the_answer_comes_first_in_the_markdown_and_names_what_it_does_not_show():
    records = [cascade("a", 0.2, -0.3, -0.1), cascade("a", 0.2, -0.3, -0.1, seed=1)]
    text = page(records, Description("t"), datasets=[DatasetTables(leaderboard(records), REPORTS)])
    question, *sentences = [f"**{RandomisedReport.question}**", *said(records), "This does not show: whether a map is right"]
    places = [text.index(part) for part in (question, *sentences, "\n## ")]
    assert places == sorted(places)
