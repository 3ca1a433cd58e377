"""``python -m benchmark.audit``: values on NIH's list, which needs no image."""

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


def test_perfect_values_stand_beside_the_papers(succeed, truth, tmp_path):
    findings, columns = sorted(set(truth["finding"])), ["iou.3", "iou.7", "iobb.5"]
    pd.DataFrame(1, findings, columns).rename_axis("finding").to_csv(tmp_path / "perfect.csv")
    output = tmp_path / "table.csv"
    done = succeed("benchmark.audit", tmp_path / "perfect.csv", "--output", output, "--entry", "My values")
    assert "My values" in done.stdout
    assert "Wang 2017" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 130
    rows = pd.read_csv(output).set_index(["result", "findings", "threshold"])
    mine = rows.loc["My values"]
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
    truth.to_csv(tmp_path / "boxes.csv", index=False)
    assert f"benchmark.score --dataset NIH --boxes {tmp_path / 'boxes.csv'}" in sentence(
        run_command("benchmark.audit", tmp_path / "boxes.csv")
    )
    assert "none.csv" in sentence(run_command("benchmark.audit", tmp_path / "none.csv"))
