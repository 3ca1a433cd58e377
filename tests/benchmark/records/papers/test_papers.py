"""Numbers from papers: as published, marked in every table and not ranked."""

import json
import re

import pytest

from locus.benchmark.records import Cell, Record, Score, papers, write
from locus.benchmark.report import tables
from locus.benchmark.report.all_tables import tables_of
from locus.benchmark.suite.plan import load
from locus.core.errors import DataError, UnknownNameError
from tests.benchmark.report.given import leaderboard

BOXES = {
    "Atelectasis": 180, "Cardiomegaly": 146, "Effusion": 153, "Infiltration": 123,
    "Mass": 85, "Nodule": 79, "Pneumonia": 120, "Pneumothorax": 98,
}  # fmt: skip


def ours(partition):
    cell = Cell(dataset="NIH", partition=partition, split="test", backbone="custom", method="cam", alignment="aligned", protocol="wang")
    return Record(cell=cell, scores=(Score(finding="mean", metric="acc@iou.1", value=0.9, n=12, threshold_origin="fixed"),))


@pytest.mark.oracle
def test_wang_records_equal_the_published_tables(fixtures):
    tables = json.loads((fixtures / "chestxray8_tables.json").read_text())
    (wang,) = papers.read("wang2017")
    for kind, word in (("T_IoU", "iou"), ("T_IoBB", "iobb")):
        for threshold, columns in tables[kind].items():
            for measure in ("Acc", "AFP"):
                metric = f"{measure.lower()}@{word}{float(threshold):g}".replace("0.", ".")
                result = [wang.find(metric, finding, "fixed").value for finding in tables["findings"]]
                assert result == columns[measure]
                assert wang.find(metric).value == pytest.approx(sum(result) / 8, abs=1e-6)
    assert len(wang.scores) == 12 * 2 * 9


def test_wang_n_are_truth_boxes_and_the_divisor_of_afp():
    (wang,) = papers.read("wang2017")
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
        assert stated.identifier == "not stated" or re.search(r"arXiv \d{4}\.\d{5}|doi 10\.", stated.identifier)
        assert bool(stated.quoted_by) is (stated.hand == "second")


def test_second_hand_rows_name_their_authors():
    every = {r.cell.method: r for word in papers.names() for r in papers.read(word)}
    named = {"Wang 2017", "Li 2022", "PCAN 2022", "CLARiTy 2025", "ThoraX-PriorNet 2024", "PYLON 2020", "CAM by PYLON"}
    assert {name for name in every if not name.endswith(("(EVA-X)", "(WSRPN)"))} == named
    thorax = every["ThoraX-PriorNet 2024"]
    assert thorax.reference.hand == "first"
    assert [s.value for s in thorax.scores] == [0.80, 0.63, 0.49, 0.33, 0.28, 0.21, 0.04]
    assert "half" in every["CLARiTy 2025"].reference.split


def test_scores_on_other_images_or_oracle_thresholds_have_separate_columns():
    eva, wsrpn = papers.read("evax2024"), papers.read("wsrpn2024")
    assert (len(eva), len(wsrpn)) == (7, 9)
    best = {s.metric: (s.value, s.threshold_origin) for s in eva[-1].scores}
    assert best == {"mask_iou>.25": (0.1474, "oracle"), "mask_iou>.5": (0.0295, "oracle"), "mean_mask_iou": (0.0918, "oracle")}
    assert {s.metric: s.value for s in wsrpn[0].scores} == {"ap@iou.3": 0.0944, "ap@iou.5": 0.0634}
    assert {r.cell.protocol for r in (*eva, *wsrpn)} == {"evax", "wsrpn"}  # tables of their own
    assert all("half" in r.reference.split for r in wsrpn)
    assert all("scored boxes" in r.reference.tuned_on for r in eva)


def test_unique_prefix_names_a_paper_and_an_unknown_name_is_an_error():
    assert papers.name("wang") == "wang2017"
    with pytest.raises(UnknownNameError, match=r"''.*clarity2025, evax2024, pylon2020"):
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


def test_papers_have_separate_tables_and_no_rank():
    every = [ours("official"), *papers.read("wang2017"), *papers.read("clarity2025")]
    of_data_set = tables_of(leaderboard(every, "NIH"))
    (run,), (quoted,) = of_data_set.protocols, of_data_set.papers
    assert [row[run.header.index("method")] for row in run.rows] == ["cam"]
    assert quoted.title == "NIH: numbers from papers, wang"
    assert "do not compare rows with each other or with ours" in quoted.intro
    by = {row[quoted.header.index("authors")]: dict(zip(quoted.header, row, strict=True)) for row in quoted.rows}
    assert {"entry": "Wang 2017", "n": "984 boxes", "acc@iou.1": "0.568"}.items() <= by["Wang et al."].items()
    assert {"source": "second-hand", "tuned on": "not stated"}.items() <= by["Li et al."].items()


@pytest.mark.parametrize("word", ["evax2024", "wsrpn2024"])
def test_each_row_of_a_paper_names_its_network(word):
    (quoted,) = tables_of(leaderboard(papers.read(word), "NIH")).papers
    named = [row[quoted.header.index("entry")] for row in quoted.rows]
    assert sorted(named) == sorted(record.cell.method for record in papers.read(word))
    assert len({*named}) == len(named) > 6


def test_papers_without_runs_have_tables_and_no_leaderboard(tmp_path):
    for word in papers.names():
        for record in papers.read(word):
            write(record, tmp_path)
    tables.write(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<h2>Numbers from papers, ") == 4
    assert "hits over IoU" not in page + (tmp_path / "leaderboard.md").read_text()


@pytest.mark.parametrize("name", ["nih", "nih-sample"])
def test_nihs_suites_show_the_papers(name):
    assert load(name).papers == ["wang2017", "thoraxpriornet2024", "clarity2025", "pylon2020", "evax2024", "wsrpn2024"]
