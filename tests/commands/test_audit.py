"""``python -m benchmark.audit``: values on NIH's list, which needs no image."""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from locus.benchmark.audit.__main__ import main

pytestmark = pytest.mark.commands
ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "locus/datasets/lists/BBox_List_2017.csv.gz"


@pytest.fixture(scope="module")
def truth():
    with gzip.open(LIST) as file:
        return pd.read_csv(file, header=0, usecols=range(6), names=["image", "finding", "x", "y", "w", "h"])


@pytest.fixture(scope="module")
def perfect(succeed, truth, tmp_path_factory):
    """The output of the command for perfect values on all boxes, and the table that it wrote."""
    folder = tmp_path_factory.mktemp("perfect")
    findings, columns = sorted(set(truth["finding"])), ["iou.3", "iou.7", "iobb.5"]
    pd.DataFrame(1, findings, columns).rename_axis("finding").to_csv(folder / "perfect.csv")
    output = folder / "table.csv"
    done = succeed("benchmark.audit", folder / "perfect.csv", "--output", output, "--entry", "My values")
    return done.stdout, pd.read_csv(output).set_index(["result", "findings", "threshold"])


def test_perfect_values_stand_beside_the_papers(perfect):
    printed, rows = perfect
    assert printed.startswith("My values hits at IoU > .3: 1.00, above fixed_box (.2")
    assert "\nScored on 984 boxes on 880 images, all that NIH published.\nfixed_box is one box per finding" in printed
    assert "Wang 2017" in printed
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


def marks(stdout, name):
    """The arrows and = in the first line of a row."""
    (line,) = [line for line in stdout.partition("IoBB")[0].splitlines() if line.startswith(name)]
    return re.findall("[↑=↓]", line.split("image labels")[0])


def test_marks_show_where_a_paper_is_above_level_with_and_below_the_box(perfect):
    assert marks(perfect[0], "Wang 2017") == ["↑", "=", "↓", "↓", "↓", "↓", "↓"]


def write_scores(path, text):
    path.write_text(text)
    return path


def test_scores_on_another_truth_stand_beside_its_baselines(succeed, tmp_path):
    file, output = write_scores(tmp_path / "mine.csv", "finding,dice,iou\nPneumothorax,.150,.090\n"), tmp_path / "all.csv"
    done = succeed("benchmark.audit", file, "--truth", "siim_pneumothorax", "--output", output)
    assert "mine scores .150 (Dice: mean over the images with the finding), not significantly different from fixed_region" in done.stdout
    assert {"mine", "RadZero, 518 px"} <= set(pd.read_csv(output)["result"])


@pytest.mark.parametrize(
    ("truth", "text", "fact"),
    [
        ("siim_pneumothorax", "finding,score\nPneumothorax,.1\n", "'score' names no rule"),
        ("siim_pneumothorax", "finding,jaccard\nPneumothorax,.1\n", "'jaccard' is no rule"),
        ("siim_pneumothorax", "finding,dice\nPneumothorax,14\n", "dice of Pneumothorax is '14'"),
        ("rsna_pneumonia", "finding,dice\nMass,.1\n", "unknown finding 'Mass'"),
        ("chestx_det10", "finding,pointing\nMass,.1\n", "no row of Atelectasis"),
    ],
)
def test_invalid_scores_on_another_truth_are_one_sentence(run_command, sentence, tmp_path, truth, text, fact):
    file = write_scores(tmp_path / "mine.csv", text)
    assert fact in sentence(run_command("benchmark.audit", file, "--truth", truth))


@pytest.fixture(scope="module")
def part(tmp_path_factory, truth):
    """A folder with ten of NIH's boxed images of each finding; the pixels are 0."""
    folder = tmp_path_factory.mktemp("part")
    (folder / "images").mkdir()
    common = truth.groupby("finding").head(10)
    for image in common["image"].unique():
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(folder / "images" / image)
    return folder


def test_a_paper_that_prints_only_a_mean_gets_a_difference_and_its_interval(succeed, part, tmp_path):
    file = write_scores(tmp_path / "paper.csv", "finding,iou.3\nmean,.90\n")
    done = succeed("benchmark.audit", file, "--data_root_dir", part)
    first = done.stdout.splitlines()[0]
    wanted = r"paper hits at IoU > \.3: \.900, above fixed_box \(\.\d{3}\), difference \+\.\d{3} \[\.\d{3}, \.\d{3}\]\."
    assert re.fullmatch(wanted, first), first


def test_scores_on_a_part_of_nih_are_compared_with_a_box_on_this_part(succeed, truth, values, perfect, part, tmp_path):
    output = tmp_path / "all.csv"
    done = succeed("benchmark.audit", values, "--truth", "NIH", "--data_root_dir", part, "--output", output)
    images = {path.name for path in (part / "images").iterdir()}
    there = truth[truth["image"].isin(images)]
    remark = f"Scored on {len(there)} of NIH's 984 boxes, those on {there['image'].nunique()} images in {part}"
    assert remark in done.stdout
    by_finding = there["finding"].replace("Infiltrate", "Infiltration").value_counts()
    assert ", ".join(f"{finding} {by_finding[finding]}" for finding in sorted(by_finding.index)) in done.stdout
    shares = [table["value"] for table in (pd.read_csv(output).set_index(["result", "findings", "threshold"]), perfect[1])]
    assert shares[0]["fixed_box", "mean", "iou.3"] != shares[1]["fixed_box", "mean", "iou.3"]


@pytest.mark.parametrize(
    ("flags", "fact"),
    [
        (("--truth", "siim_pneumothorax"), "--data_root_dir requires --truth NIH"),
        ((), "n of Atelectasis is 180"),
    ],
)
def test_a_part_that_does_not_fit_the_file_is_one_sentence(run_command, sentence, truth, part, tmp_path, flags, fact):
    text = "finding,dice\nPneumothorax,.1\n"
    if not flags:
        findings = sorted(truth["finding"].unique())
        text = "finding,n,iou.3\n" + "".join(f"{finding},180,.2\n" for finding in findings)
    file = write_scores(tmp_path / "mine.csv", text)
    assert fact in sentence(run_command("benchmark.audit", file, "--data_root_dir", part, *flags))


def test_a_folder_without_a_boxed_image_is_one_sentence(run_command, sentence, values, tmp_path):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(tmp_path / "images" / "00000003_000.png")
    assert "no image with one of NIH's boxes" in sentence(run_command("benchmark.audit", values, "--data_root_dir", tmp_path))


FINDINGS = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax")


def of_nih(columns, cells):
    return f"finding,{columns}\n" + "".join(f"{finding},{cells}\n" for finding in FINDINGS)


@pytest.mark.parametrize(
    ("truth", "text", "fact"),
    [
        ("NIH", of_nih("n,iou.3", "5,.37"), "iou.3 of Atelectasis is .37, which no number of hits among 5 boxes gives (2 of 5 is 0.400)"),
        ("NIH", of_nih("n,iou.3", "5,.333"), "(2 of 5 is 0.400)"),
        ("rsna_pneumonia", "finding,n,pointing\nPneumonia,5,.37\n", "pointing of Pneumonia is .37"),
        ("NIH", of_nih("iou.7,iobb.5", ".4,.3"), "iou.7 of Atelectasis is 0.4, more than iobb.5 with 0.3"),
        ("NIH", of_nih("iou.3,iobb.25", ".4,.3"), "iou.3 of Atelectasis is 0.4, more than iobb.25 with 0.3"),
        ("NIH", of_nih("iou.3", "+.3"), "iou.3 of Atelectasis is '+.3'"),
        ("NIH", of_nih("n,iou.3", "10,.3") + "mean,50,.3\n", "n of mean is 50, but its findings have 80"),
        ("siim_pneumothorax", "finding,dice,iou\nPneumothorax,.9,.1\n", "dice of Pneumothorax is 0.9 with an iou of 0.1"),
        ("rsna_pneumonia", "finding,pointing@first_box\nPneumonia,50\n", "a number from 0 to 10; divide percentages by 100"),
        ("rsna_pneumonia", "finding,pointing@first_box\nPneumonia,inf\n", "a number from 0 to 10"),
        ("rsna_pneumonia", "finding,pointing@pooled\nPneumonia,.5\nmean,.9\n", "the mean of pointing@pooled is 0.9"),
    ],
)  # fmt: skip
def test_values_that_no_boxes_give_are_refused_with_the_value(tmp_path, capsys, truth, text, fact):
    file = write_scores(tmp_path / "mine.csv", text)
    assert main([str(file), "--truth", truth]) == 2
    assert fact in capsys.readouterr().err


@pytest.mark.parametrize(
    ("truth", "text"),
    [
        ("siim_pneumothorax", "finding,dice,iou\nPneumothorax,.03,.01\n"),
        ("siim_pneumothorax", "finding,dice,iou\nPneumothorax,.5,.5\n"),
        ("rsna_pneumonia", "finding,n,pointing\nPneumonia,7,.428\n"),
        ("rsna_pneumonia", "finding,n,pointing\nPneumonia,10,0.30000000000000004\n"),
    ],
)
def test_rounded_and_cut_off_values_are_accepted(tmp_path, truth, text):
    assert main([str(write_scores(tmp_path / "mine.csv", text)), "--truth", truth]) == 0


@pytest.mark.parametrize(
    ("truth", "name"),
    [("NIH", "Fixed Box"), ("NIH", "PRIOR"), ("siim_pneumothorax", "RadZero, 518 px"), ("siim_pneumothorax", "radzero 518 PX")],
)
def test_a_name_that_reads_as_another_row_is_refused(tmp_path, capsys, truth, name):
    text = of_nih("iou.3", ".3") if truth == "NIH" else "finding,dice,iou\nPneumothorax,.15,.09\n"
    assert main([str(write_scores(tmp_path / "mine.csv", text)), "--truth", truth, "--entry", name]) == 2
    assert f"the entry {name} has the name of" in capsys.readouterr().err


def test_a_name_of_a_paper_in_other_case_is_refused(tmp_path, capsys):
    file = write_scores(tmp_path / "mine.csv", of_nih("iou.3", ".3"))
    assert main([str(file), "--entry", "wang 2017"]) == 2
    assert "the name of Wang 2017" in capsys.readouterr().err
