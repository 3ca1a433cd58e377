"""Sentences of the checks, from planted records."""

import pytest

from benchmark.records import Cell, Record, Score
from benchmark.report.checks import reports
from benchmark.report.html.answer import SEVERAL, answers_of_checks
from benchmark.report.leaderboard.dataset_tables import tables_of
from benchmark.report.page import Description, page
from tests.benchmark.report.given import leaderboard
from tests.benchmark.validity.faithfulness import test_report as test_faithfulness
from tests.benchmark.validity.test_tables import cascade, painted, placed

MAIN = "hit@iou.3"


def said(records, folder=None):
    (report,) = reports(leaderboard(records, folder=folder))
    return tuple(report.sentences())


@pytest.mark.byhand
def test_sentences_name_methods_whose_maps_change_or_not():
    stays, changes, blind = cascade("a", 0.9, -0.3, -0.1), cascade("b", 0.2, -0.4, -0.2), cascade("c", 0.1, -0.2, -0.1, head=0.8)
    first, second, third, fourth, fifth = said([stays, changes, blind, cascade("center", 1.0, 0.0, 0.0, head=1.0)])
    assert first.startswith("The maps of `a` (resnet18 AVG 0.900) hardly change with all weights randomised")
    assert second.startswith("The maps of 2 other methods on 1 network change: ")
    assert "at most 0.200 (`b`, resnet18 AVG; " in second
    assert third == f"All methods lose hits: the smallest change of `{MAIN}` is -0.200 [-0.300, -0.100] (`c`, resnet18 AVG)."
    assert fourth.startswith("With only the head randomised, the maps of `c` (resnet18 AVG 0.800) hardly change")
    assert fifth == "`center` do not use the weights. They are marked, as expected."


@pytest.mark.byhand
def test_sentences_name_methods_whose_hits_stay():
    _, stay, others = said([cascade("a", 0.2, 0.1, 0.2), cascade("b", 0.2, -0.4, -0.2)])
    assert stay == "Hits stay with all weights randomised: `a` (resnet18 AVG 0.100)."
    assert others.startswith(f"All other methods lose hits: the smallest change of `{MAIN}` is -0.400")


@pytest.mark.byhand
def test_sentences_give_the_effect_of_the_placement_per_backbone():
    loses = [placed("cam", 0.2, 0.1, 0.3), placed("gradcam", 0.1, -0.1, 0.3), placed("cam", 0.3, 0.2, 0.4, global_pool="PCAM")]
    same, wins = placed("cam", 0.0, 0.0, 0.0, backbone="custom"), placed("cam", -0.1, -0.2, -0.05, backbone="vgg16")
    first, second, third = said([same, wins, *loses])
    assert first.startswith(f"`resnet18`: scores drop. `{MAIN}` changes by -0.300 to -0.150 (2 networks, mean over methods), ")
    assert first.endswith("because maps are shifted by 0.160 of the image's side. Of 3 rows, 2 significantly drop and 0 rise.")
    assert second == "`custom`: no difference. The conventional placement is exact (1 network, mean over methods)."
    assert third.startswith("`vgg16`: scores do not drop. ")
    assert third.endswith("Of 1 row, 0 significantly drop and 1 rise.")


@pytest.mark.byhand
def test_sentence_compares_conventions_with_methods():
    *_, sentence = said([painted("a", (0.6, 0.3, 0.1)), painted("b", (0.4, 0.1, 0.2))])
    assert sentence.startswith(f"resnet18 AVG: the convention by which a package makes a picture changes a method's `{MAIN}` by 0.400")
    assert sentence.endswith("(mean over methods); under `ours` the methods differ by 0.200. 1 of 1 pair of methods change order.")


def test_sentence_names_the_most_faithful_method(tmp_path):
    *_, last = said(test_faithfulness.records(tmp_path), tmp_path)
    assert last == "custom AVG: the most faithful method by `road` is `cam` with 0.500."


def test_answer_has_its_basis_and_is_in_the_markdown():
    records = [cascade("a", 0.2, -0.3, -0.1), cascade("a", 0.2, -0.3, -0.1, seed=1)]
    part = tables_of(leaderboard(records))
    (answer,) = answers_of_checks(part.reports)
    assert answer.based_on[1:] == (
        "Each network was trained 2 times (seeds 0, 1). Split: not stated.",
        "Score thresholds are cross-fitted: each patient is scored at a threshold chosen on other patients.",
        "Networks: resnet18 AVG.",
    )
    assert answer.another == SEVERAL
    text = page(records, Description("t"), datasets=[part])
    assert all(f"- {sentence}\n" in text for sentence in answer.first)


def test_suite_without_a_check_has_no_answer():
    scores = (Score(finding="mean", metric="pointing", value=0.5),)
    assert reports(leaderboard([Record(cell=Cell(dataset="phantom", method="cam", protocol="pointing"), scores=scores)])) == []
