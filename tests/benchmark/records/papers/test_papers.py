"""Numbers from papers: as published, with what each says about its supervision, rules and boxes."""

import json
import re

import pytest

from locus.benchmark.records import papers
from locus.benchmark.records.record import SCORED_BOXES
from locus.benchmark.suite.plan import load
from locus.core.errors import DataError, UnknownNameError

BOXES = {
    "Atelectasis": 180, "Cardiomegaly": 146, "Effusion": 153, "Infiltration": 123,
    "Mass": 85, "Nodule": 79, "Pneumonia": 120, "Pneumothorax": 98,
}  # fmt: skip


@pytest.fixture(scope="module")
def collected(papers_folder):
    return json.loads((papers_folder / "results.json").read_text())


@pytest.mark.oracle
def test_wang_records_equal_the_published_tables(fixtures):
    tables = json.loads((fixtures / "chestxray8_tables.json").read_text())
    wang, _ = papers.read("wang2017")
    for kind, word in (("T_IoU", "iou"), ("T_IoBB", "iobb")):
        for threshold, columns in tables[kind].items():
            for measure in ("Acc", "AFP"):
                metric = f"{measure.lower()}@{word}{float(threshold):g}".replace("0.", ".")
                result = [wang.find(metric, finding, "fixed").value for finding in tables["findings"]]
                assert result == columns[measure]
                assert wang.find(metric).value == pytest.approx(sum(result) / 8, abs=1e-6)
    assert len(wang.scores) == 12 * 2 * 9


def test_wang_n_are_truth_boxes_and_the_divisor_of_afp():
    wang, _ = papers.read("wang2017")
    assert {s.finding: s.n for s in wang.scores if s.metric == "acc@iou.1"} == {**BOXES, "mean": 984}
    assert {s.n for s in wang.scores if s.metric.startswith("afp")} == {984}


@pytest.mark.parametrize("word", papers.names())
def test_every_published_record_has_a_complete_reference(word):
    result = papers.read(word)
    assert result
    assert len({r.key for r in result}) == len(result)
    for record in result:
        stated = record.reference
        assert (record.source, record.status) == ("paper", "ok")
        assert 2010 < stated.year < 2030
        assert all((stated.authors, stated.table, stated.split, stated.n, stated.tuned_on))
        assert stated.identifier == "not stated" or re.search(r"arXiv \d{4}\.\d{5}|doi 10\.|github \w+/|LNCS \d+", stated.identifier)
        assert all((stated.supervision, stated.operator, stated.prediction))
        assert all(0 <= s.value <= 1 or s.metric.startswith(("afp", "cnr")) for s in record.scores)
        assert stated.quoted_by or stated.hand != "second"


SPELLED = {"acc@iou": "acc@iou", "acc@iobb": "acc@iobb", "acc@ior": "acc@ior", "ap@iou": "ap@iou", "pointing": "pointing"}
"""Metrics of the collected file that keep their name."""


@pytest.mark.oracle
def test_every_collected_share_is_in_a_record_as_published(collected):
    recorded = {(s.metric, s.finding, s.value) for word in papers.names() for r in papers.read(word) for s in r.scores}
    wanted = [
        (f"{SPELLED[score['metric']]}{'' if at is None else f'{at:g}'[1:]}", finding, value)
        for entry in collected
        for score in entry["scores"]
        if score["metric"] in SPELLED
        for at in [score["threshold"]]
        for finding, value in (score["per_finding"] or {"mean": score["mean"]}).items()
    ]
    assert len(wanted) > 350
    assert [one for one in wanted if one not in recorded] == []


def test_hands_of_all_rows():
    every = {r.cell.method: r.reference.hand for word in load("nih").papers for r in papers.read(word)}
    second = {"Li 2022", "PCAN 2022", "CLARiTy 2025", "RpSalWeaklyDet 2020", "Li 2018, boxes only", "Li 2018, + 20% labels"}
    assert {name for name, hand in every.items() if hand == "second"} == second
    grey = {r.cell.method for word in ("densenet2026", "convnext2026", "chexnetlocalization2018") for r in papers.read(word)}
    assert {name for name, hand in every.items() if hand == "grey"} == grey


def test_rows_say_what_could_not_be_verified_or_contradicts():
    every = {r.cell.method: r for word in papers.names() for r in papers.read(word)}
    assert ".22" in every["ThoraX-PriorNet 2024"].reason
    assert ".384" in every["RpSalWeaklyDet 2020"].reason
    assert ".43" in every["RpSalWeaklyDet 2020, notebook"].reason
    assert "could not be verified" in every["HAM 2021"].reason
    assert "half" in every["CLARiTy 2025"].reference.split


def test_scores_on_other_images_or_oracle_thresholds_are_marked():
    eva, wsrpn, adpd = (papers.read(word) for word in ("evax2024", "wsrpn2024", "adpd2023"))
    assert (len(eva), len(wsrpn), len(adpd)) == (7, 11, 14)
    assert {s.threshold_source for r in eva for s in r.scores} == {"oracle"}
    assert all(r.reference.tuned_on.startswith(SCORED_BOXES) for r in (*eva, papers.read("hermoza2020")[0]))
    assert all("half" in r.reference.split for r in (*wsrpn, *adpd))


def test_unique_prefix_names_a_paper_and_an_unknown_name_is_an_error():
    assert papers.name("wang") == "wang2017"
    with pytest.raises(UnknownNameError, match=r"''.*clarity2025, convnext2026"):
        papers.name("")
    with pytest.raises(UnknownNameError, match=r"'wang2018'.*'wang2017'"):
        papers.read("wang2018")


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ("[{", "line 1"),
        ("[1]", "JSON"),
        ('[{"schema_version": 1, "cell": {"dataset": "NIH"}, "scores": [{"metric": "pointing"}]}]', "scores.0.finding"),
        ('[{"schema_version": 9}]', "version 9.* version 1"),
        ('[{"schema_version": 1, "cell": {"dataset": "NIH", "method": "New"}, "source": "paper"}]', "New.*reference"),
    ],
)
def test_broken_file_of_a_paper_is_an_error(tmp_path, monkeypatch, content, facts):
    (tmp_path / "new2026.json").write_text(content)
    monkeypatch.setattr(papers, "FOLDER", tmp_path)
    with pytest.raises(DataError, match=facts) as caught:
        papers.read("new2026")
    assert str(tmp_path / "new2026.json") in str(caught.value)
    assert not re.search(r"suite|\n", str(caught.value))


def test_every_paper_is_shown_by_the_suite_of_its_truth():
    shown = {name: {*load(name).papers} for name in ("nih", "grounding", "nih-sample")}
    assert shown["nih"] == {word for word in papers.names() if any(r.cell.dataset == "NIH" for r in papers.read(word))}
    assert shown["nih"] | shown["grounding"] == {*papers.names()}
    assert not shown["nih-sample"]
