"""The tables of the check ``faithfulness``, from planted rows and records."""

import pytest

from locus.benchmark.records import Cell, Record, Score, cases
from locus.benchmark.validity.faithfulness_report import FaithfulnessReport, agreements, label, sentence
from tests.benchmark.report.given import leaderboard

METHODS = {"cam": 0.9, "gradcam": 0.6, "layercam": 0.3, "center": 0.0}
"""Method -> its share of hits, ``insertion`` and ``deletion``."""


def records(folder, patients=10):
    made = []
    for method, share in METHODS.items():
        cell = Cell(
            dataset="phantom", backbone="custom", global_pool="AVG", img_size=64, seed=0, model_id="m", method=method,
            protocol="faithfulness", data={"images": patients},
        )  # fmt: skip
        values = {"hit@iou.3": share, "insertion": share, "deletion": share, "road": None if method == "center" else 0.5}
        case = {"finding": "Mass", **values}
        cases.write([{"image": str(n), "patient": str(n), **case} for n in range(patients)], cell, folder)
        scores = (Score(finding="mean", metric=m, value=v, n=patients) for m, v in values.items())
        made.append(Record(cell=cell, scores=tuple(scores)))
    return made


def agreement(folder):
    (of_network,) = agreements(leaderboard(records(folder), folder=folder))
    return of_network


@pytest.mark.byhand
def test_metrics_are_compared_over_methods_without_baselines(tmp_path):
    known = {score.metric: (score.value, score.n) for score in agreement(tmp_path).scores}
    assert known["tau@hit@iou.3~insertion"] == (1, 3)
    assert known["tau@hit@iou.3~deletion"] == (-1, 3)
    assert known["tau@hit@iou.3~road"] == (None, 3)
    assert known["p@hit@iou.3~insertion"] == (pytest.approx(2 / 6, abs=1e-6), 3)  # 2 of the 6 orders


@pytest.mark.byhand
def test_three_methods_are_too_few_for_an_agreement_even_in_the_same_order(tmp_path):
    said = sentence(agreement(tmp_path))
    assert said.startswith("small CNN with AVG: ")
    insertion, deletion = "insertion (tau +1.000 [+1.000, +1.000], p 0.333)", "deletion (tau -1.000 [-1.000, -1.000], p 0.333)"
    assert f"no agreement is shown between hits and {insertion}, {deletion}" in said
    assert "hits and road (tau –, p –)" in said


def test_first_table_is_sorted_by_road_and_the_second_compares_all_pairs(tmp_path):
    report = FaithfulnessReport("faithfulness", leaderboard(records(tmp_path), folder=tmp_path))
    assert [*report.sentences()][-1] == "small CNN with AVG: the most faithful method by `road` is `cam` with 0.500."
    single, compared = report.tables()
    assert single.rows[-1][single.header.index("method")] == "center"
    assert len(compared.rows) == 6
    assert compared.rows[0][2:] == ("hit@iou.3 ~ insertion", "+1.000 [+1.000, +1.000]", "0.333", "not shown", "3")


def test_without_rows_per_case_there_is_no_second_table(tmp_path):
    planted = records(tmp_path / "other")
    assert len(FaithfulnessReport("faithfulness", leaderboard(planted, folder=tmp_path)).tables()) == 1


@pytest.mark.byhand
def test_marks_are_labelled_unless_a_better_one_needs_the_space():
    places = {"cam": (0.5, 0.3), "pcam": (0.45, 0.29), "rise": (0.5, 0.1), "hirescam": (0.501, 0.299)}
    rows = [{"method": m, "network": "a", "hits": x, "road": y, "high": y + 0.1} for m, (x, y) in places.items()]
    label(rows)
    assert [row["label"] for row in rows] == ["cam, hirescam", "", "rise", ""]
