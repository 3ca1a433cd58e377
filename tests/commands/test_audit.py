"""``python -m benchmark.audit``: values on NIH's list, which needs no image."""

import gzip
import re
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
    assert done.stdout.startswith("Scored on 984 boxes on 880 images, all that NIH published.")
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


@pytest.fixture(scope="module")
def values(truth, tmp_path_factory):
    """A table of values, a row per finding."""
    file = tmp_path_factory.mktemp("values") / "values.csv"
    findings = truth["finding"].unique()
    pd.DataFrame({"finding": findings, "iou.3": [0.01 * n + 0.2 for n in range(len(findings))]}).to_csv(file, index=False)
    return file


def write_part(folder, truth, images):
    """NIH's table of boxes with only some of the images; all other tables are missing."""
    folder.mkdir(parents=True)
    (folder / "BBox_List_2017.csv").write_text(truth[truth["image"].isin(images)].to_csv(index=False))
    names = folder / "BBox_List_2017.csv"
    names.write_text(names.read_text().replace("image,finding,x,y,w,h", "Image Index,Finding Label,Bbox [x,y,w,h]"))
    return folder


def marks(stdout, name):
    """The arrows and = in the first line of a row."""
    (line,) = [line for line in stdout.partition("IoBB")[0].splitlines() if line.startswith(name)]
    return re.findall("[↑=↓]", line.split("image labels")[0])


def test_what_is_in_data_changes_nothing_and_a_part_of_nih_is_a_flag(succeed, truth, values, tmp_path):
    part = write_part(tmp_path / "data/NIH", truth, {*truth["image"].unique()[::2]})
    whole = succeed("benchmark.audit", values, cwd=tmp_path)
    (tmp_path / "empty").mkdir()
    assert whole.stdout == succeed("benchmark.audit", values, cwd=tmp_path / "empty").stdout
    assert marks(whole.stdout, "Wang 2017") == ["↑", "=", "↓", "↓", "↓", "↓", "↓"]
    output = tmp_path / "part.csv"
    half = succeed("benchmark.audit", values, "--data_root_dir", part, "--output", output)
    count = int(truth["image"].isin(truth["image"].unique()[::2]).sum())
    first, *_ = half.stdout.splitlines()
    assert f"Scored on {count} boxes on 440 images, those in {part}." in first
    assert marks(half.stdout, "Wang 2017") == []
    rows = pd.read_csv(output).set_index("result")
    assert rows.loc["values", "mark"].notna().all()
    assert rows.drop(index="values")["mark"].isna().all()
    papers = rows.drop(index=["values", "fixed_box"])
    assert papers["low"].isna().all()
    assert papers["difference"].notna().all()


def test_the_whole_list_in_a_folder_gives_the_default_tables(succeed, truth, values, tmp_path):
    whole = write_part(tmp_path / "whole", truth, {*truth["image"]})
    assert succeed("benchmark.audit", values, "--data_root_dir", whole).stdout == succeed("benchmark.audit", values).stdout


def test_a_part_without_one_finding_compares_the_others(succeed, truth, values, tmp_path):
    with_mass = {*truth["image"][truth["finding"] == "Mass"]}
    part = write_part(tmp_path / "part", truth, {*truth["image"]} - with_mass)
    output = tmp_path / "part.csv"
    succeed("benchmark.audit", values, "--data_root_dir", part, "--output", output)
    rows = pd.read_csv(output).set_index(["result", "findings", "threshold"])["value"]
    given = pd.read_csv(values).set_index("finding")["iou.3"]
    assert rows[("values", "mean", "iou.3")] == pytest.approx(given.drop("Mass").mean(), abs=1e-6)
    assert not [name for name, *_ in rows.index if "abstract" in name], "only means over eight findings were published"


def test_a_folder_of_images_is_scored_on_their_boxes(succeed, sentence, run_command, truth, values, tmp_path):
    images = truth["image"].unique()[::3]
    (tmp_path / "NIH/images").mkdir(parents=True)
    for image in images:
        (tmp_path / "NIH/images" / image).touch()
    done = succeed("benchmark.audit", values, "--data_root_dir", tmp_path / "NIH")
    assert f"Scored on {truth['image'].isin(images).sum()} boxes on {len(images)} images" in done.stdout
    assert "none of NIH's tables" in sentence(run_command("benchmark.audit", values, "--data_root_dir", tmp_path))


def write_scores(path, text):
    path.write_text(text)
    return path


def test_scores_on_another_truth_stand_beside_its_baselines(succeed, tmp_path):
    file, output = write_scores(tmp_path / "mine.csv", "finding,dice,iou\nPneumothorax,.150,.090\n"), tmp_path / "all.csv"
    done = succeed("benchmark.audit", file, "--truth", "siim_pneumothorax", "--output", output)
    assert "mine scores .150 (Dice: mean over the images with the finding), not significantly different from fixed_region" in done.stdout
    assert max(map(len, done.stdout.split("mine scores")[0].splitlines())) <= 130
    assert {"mine", "RadZero, 518 px"} <= set(pd.read_csv(output)["result"])


@pytest.mark.parametrize(
    ("truth", "text", "fact"),
    [
        ("siim_pneumothorax", "finding,score\nPneumothorax,.1\n", "'score' names no rule"),
        ("siim_pneumothorax", "finding,jaccard\nPneumothorax,.1\n", "'jaccard' is no rule"),
        ("siim_pneumothorax", "finding,dice\nPneumothorax,14\n", "a share from 0 to 1"),
        ("rsna_pneumonia", "finding,dice\nMass,.1\n", "unknown finding 'Mass'"),
        ("chestx_det10", "finding,pointing\nMass,.1\n", "no row of Atelectasis"),
    ],
)
def test_invalid_scores_on_another_truth_are_one_sentence(run_command, sentence, tmp_path, truth, text, fact):
    file = write_scores(tmp_path / "mine.csv", text)
    assert fact in sentence(run_command("benchmark.audit", file, "--truth", truth))
