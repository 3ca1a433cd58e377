"""Papers' numbers: as published, marked in every table, never ranked, and never taken for numbers on our images."""

import json
from pathlib import Path

import pytest

from benchmark import published, records
from benchmark.plan import load
from benchmark.records import Cell, Record, Score, write
from benchmark.report import page, tables
from core.errors import DataError, UnknownNameError

FIXTURE = Path(__file__).resolve().parents[4] / "shared/fixtures/chestxray8_tables.json"
BOXES = {
    "Atelectasis": 180,
    "Cardiomegaly": 146,
    "Effusion": 153,
    "Infiltration": 123,
    "Mass": 85,
    "Nodule": 79,
    "Pneumonia": 120,
    "Pneumothorax": 98,
}


def ours(partition):
    cell = Cell(dataset="NIH", partition=partition, split="test", backbone="custom", method="cam", alignment="aligned", protocol="wang")
    return Record(cell=cell, scores=(Score(finding="mean", metric="acc@iou.1", value=0.9, n=12, threshold_origin="fixed"),))


@pytest.mark.oracle
@pytest.mark.skipif(not FIXTURE.is_file(), reason="the published tables are not beside the checkout")
def test_wangs_records_are_the_published_tables():
    tables = json.loads(FIXTURE.read_text())
    (wang,) = published.read("wang2017")
    for kind, word in (("T_IoU", "iou"), ("T_IoBB", "iobb")):
        for threshold, columns in tables[kind].items():
            for measure in ("Acc", "AFP"):
                metric = f"{measure.lower()}@{word}{float(threshold):g}".replace("0.", ".")
                found = [wang.find(metric, finding, "fixed").value for finding in tables["findings"]]
                assert found == columns[measure]
                assert wang.find(metric).value == pytest.approx(sum(found) / 8, abs=1e-6)
    assert len(wang.scores) == 12 * 2 * 9


def test_wangs_n_are_the_truth_boxes_and_what_afp_divides_by():
    (wang,) = published.read("wang2017")
    assert {s.finding: s.n for s in wang.scores if s.metric == "acc@iou.1"} == {**BOXES, "mean": 984}
    assert {s.n for s in wang.scores if s.metric.startswith("afp")} == {984}


@pytest.mark.parametrize("word", published.names())
def test_every_record_is_a_papers_and_says_what_it_rests_on(word):
    found = published.read(word)
    assert found
    assert all(r.source == "paper" and len(r.reason) > 40 and r.status == "ok" for r in found)
    assert len({r.key for r in found}) == len(found)


def test_an_unknown_paper_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'wang2017'"):
        published.read("wang2018")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[{", "cannot read the record"),
        ("[1]", "is no JSON object"),
        ('[{"schema_version": 1, "cell": {"dataset": "NIH"}, "scores": [{"metric": "pointing"}]}]', "broken at scores.0.finding"),
        ('[{"schema_version": 9}]', "schema version 9"),
    ],
)
def test_a_broken_file_of_a_paper_is_one_sentence(tmp_path, monkeypatch, content, told):
    (tmp_path / "new2026.json").write_text(content)
    monkeypatch.setattr(published, "FOLDER", tmp_path)
    with pytest.raises(DataError, match=told) as caught:
        published.read("new2026")
    assert str(tmp_path / "new2026.json") in str(caught.value)
    assert "run the suite again" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_writing_twice_changes_no_byte_and_a_paper_that_is_no_longer_asked_for_goes(tmp_path):
    write(ours("official"), tmp_path)
    published.write(["wang2017", "pylon2020"], tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "records").iterdir()}
    published.write(["wang2017", "pylon2020"], tmp_path)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "records").iterdir()}
    published.write(["wang2017"], tmp_path)
    assert sorted(r.source for r in records.load(tmp_path)) == ["paper", "run"]


@pytest.mark.parametrize(("partition", "others"), [("official", False), ("kfold", True)])
def test_a_table_marks_papers_and_says_whether_their_images_are_others(partition, others):
    every = [ours(partition), *published.read("wang2017")]
    (first, _) = page.of_dataset(every, "NIH")
    assert [row[first.header.index("method")] for row in first.rows] == ["cam", "Wang 2017 (paper)"]
    assert "From a paper, not run here: Wang 2017" in first.intro
    assert "the 984 boxes of the official test list" in first.intro
    assert ("Other images than those" in first.intro) is others


def test_papers_alone_say_so(tmp_path):
    published.write(published.names(), tmp_path)
    tables.write(tmp_path)
    text = (tmp_path / "leaderboard.md").read_text()
    assert text.count("Rests on: papers alone") == 3
    assert "| PYLON 2020 (paper) | 0.620 |" in text
    assert text.count("not verified here") >= 3


@pytest.mark.parametrize("name", ["nih", "nih-sample"])
def test_nihs_suites_show_the_papers(name):
    assert load(name).published == ["wang2017", "clarity2025", "pylon2020"]
