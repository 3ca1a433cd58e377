"""``python -m benchmark.audit``: values and boxes on NIH's list, which needs no image."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.commands
ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "locus/datasets/lists/BBox_List_2017.csv.gz"


@pytest.fixture(scope="module")
def truth():
    with gzip.open(LIST) as file:
        return pd.read_csv(file, header=0, usecols=range(6), names=["image", "finding", "x", "y", "w", "h"])


def test_the_truth_as_boxes_hits_all_cases_and_stands_beside_the_papers(succeed, truth, tmp_path):
    truth.to_csv(tmp_path / "perfect.csv", index=False)
    output = tmp_path / "table.csv"
    done = succeed("benchmark.audit", tmp_path / "perfect.csv", "--output", output, "--entry", "My boxes")
    assert "My boxes" in done.stdout
    assert "Wang 2017" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 130
    rows = pd.read_csv(output).set_index(["result", "findings", "threshold"])
    mine = rows.loc["My boxes"]
    assert (mine["value"] == 1).all()
    assert (mine["mark"] == "above").all()
    assert rows.loc[("Wang 2017", "mean", "iou.3"), "mark"] == "below"
    assert rows.loc[("Wang 2017", "mean without Cardiomegaly", "iou.3"), "mark"] == "level"


def test_an_invalid_file_is_one_sentence_and_writes_nothing(run_command, sentence, truth, tmp_path):
    values = truth.groupby("finding").size().rename("n").reset_index().assign(**{"iou.3": 33})
    values.to_csv(tmp_path / "percent.csv", index=False)
    done = run_command("benchmark.audit", tmp_path / "percent.csv", "--output", tmp_path / "out.csv")
    assert "iou.3 of Atelectasis is '33'" in sentence(done)
    assert not (tmp_path / "out.csv").exists()
    assert "FILE.csv" in sentence(run_command("benchmark.audit"))
    (tmp_path / "coco.json").write_text("[]")
    assert "reads CSV" in sentence(run_command("benchmark.audit", tmp_path / "coco.json"))
    assert "none.csv" in sentence(run_command("benchmark.audit", tmp_path / "none.csv"))
