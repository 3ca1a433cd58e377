"""Tables and sentences of the check ``controls``, from planted rows per case."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from locus.benchmark import checks
from locus.benchmark.checks.controls_report import ControlsReport, MarkerUse, MethodAnswers, answers_by_network
from locus.benchmark.records import Cell, Record, Score, cases, write
from locus.benchmark.report import charts
from locus.benchmark.report.page import DatasetTables, Description, leaderboard_md
from locus.benchmark.report.section import Reports
from locus.core.scores import Estimate
from tests.benchmark.report.given import leaderboard

MAIN, PATIENTS = "hit@iou.3", 20
DATA = {True: "implanted:test=20,marker=Mass", False: "implanted:test=20"}


def rows(seen, change, own=1.0, swap=0.0):
    """A case per patient: all hit, half of the fall reached; the effect of the marker grows from 0 to ``change``."""
    values = {MAIN: 1.0, "own": own, "swap": swap, "fall": 2.0, "use": 1.0, "sufficiency": 2.0, "weights": 0.0, "marker": seen}
    base = [{"image": f"i{n}", "patient": f"p{n}", "finding": "Mass", "reason": ""} for n in range(PATIENTS)]
    return [one | values | {"marker_change": change * n / (PATIENTS - 1)} for n, one in enumerate(base)]


@pytest.fixture
def board(tmp_path):
    """Two methods on a network without the marker and on one with it, two training runs each."""

    def plant(method, marked, seed, **of_case):
        name = f"custom-PCAM{'-marker=Mass' * marked}-seed{seed}"
        network = {"backbone": "custom", "global_pool": "PCAM", "img_size": 64, "seed": seed, "model_id": name}
        cell = Cell(dataset="implanted", **network, method=method, protocol="controls", data={"dataset": DATA[marked]})
        record = Record(cell=cell, scores=(Score("mean", MAIN, 1.0, n=PATIENTS),))
        cases.write(rows(**of_case), cell, tmp_path)
        write(record, tmp_path)
        return record

    records = []
    for seed in (0, 1):
        records += [plant("seeing", marked, seed, seen=float(marked), change=10 if marked else 1) for marked in (False, True)]
        records += [plant("blind", marked, seed, seen=0.0, change=10 if marked else 1, swap=1.0) for marked in (False, True)]
    return leaderboard(records, "implanted", tmp_path)


@pytest.mark.byhand
def test_the_marker_is_used_where_its_effect_is_above_what_networks_without_it_have(board):
    (network,) = answers_by_network(board, "controls")
    # the 95th percentile of 0, 1/19, …, 1 is .95; of 0, 10/19, …, 10 two of 20 are not above it
    assert network.used == MarkerUse(images=36, all_images=40, runs=2)
    values = {one.row.name: {name: of.value for name, of in one.values.items()} for one in network.methods}
    assert values["seeing"]["seen"] == 1
    assert values["blind"]["seen"] == 0
    assert values["seeing"]["spared"] == 1


def test_a_method_with_a_use_of_0_is_sorted_by_it():
    unused = MethodAnswers(SimpleNamespace(name="cam"), {"use": Estimate(0.0), "own": Estimate(0.9)}, {})
    used = MethodAnswers(SimpleNamespace(name="gradcam"), {"use": Estimate(0.1), "own": Estimate(0.2)}, {})
    without_use = MethodAnswers(SimpleNamespace(name="layercam"), {"own": Estimate(0.3)}, {})
    methods = sorted([unused, used, without_use], key=lambda method: method.rank_key)
    assert [method.row.name for method in methods] == ["layercam", "gradcam", "cam"]


def test_the_chart_has_the_methods_of_all_networks_above_the_baselines(board, monkeypatch):
    report = ControlsReport(board, "controls")
    (network,) = report.networks
    first = network.methods[0]
    late, noise = (replace(first, row=replace(first.row, name=name)) for name in ("late", "noise"))
    with_baseline = replace(network, methods=(*network.methods, noise))
    report.__dict__["networks"] = (with_baseline, replace(network, name="other", methods=(late,)))
    monkeypatch.setattr(charts, "intervals", lambda panels, names, about: names)
    assert report.chart() == [*(method.row.name for method in network.methods), "late", "noise"]


@pytest.mark.byhand
def test_use_is_the_share_of_the_fall_of_the_logit(board):
    (network,) = answers_by_network(board, "controls")
    for one in network.methods:
        assert (one.value("use"), one.value("sufficiency"), one.value("weights")) == (0.5, 1.0, 0.0)


def test_sentences_answer_each_question_and_name_methods_that_ignore_the_class(board):
    class_line, use_line, shortcut_line = ControlsReport(board, "controls").sentences()
    assert "`seeing` hits a box in 1.00" in class_line
    assert class_line.endswith("No difference is shown for `blind`.")
    assert "costs the network on average .500" in use_line
    assert "uses it on 36 of 40 images" in shortcut_line
    assert "`seeing`, the best method, is highest at the marker in 1.00" in shortcut_line


def test_the_answer_comes_first_in_the_markdown_and_names_what_it_does_not_show(board):
    text = leaderboard_md(board.records, Description("t"), datasets=[DatasetTables(board, Reports(checks=checks.reports()))])
    lines = [f"**{ControlsReport.question}**", *ControlsReport(board, "controls").sentences(), "This does not show", "\n## "]
    places = [text.index(part) for part in lines]
    assert places == sorted(places)
    assert "<svg" in ControlsReport(board, "controls").chart().svg
