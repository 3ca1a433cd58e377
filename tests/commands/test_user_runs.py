"""The leaderboards of a user's runs, computed again with pandas from the user's own rows per case."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from locus.benchmark import records
from locus.benchmark.report.row import network_words

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT.parent / "shared/nih-sample"
FINDINGS = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax")
pytestmark = pytest.mark.commands
needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="requires ../shared/nih-sample")

IOU, IOBB = [f"hit@iou.{n}" for n in range(1, 8)], [f"hit@iobb.{n}" for n in (1, 25, 5, 75, 9)]
TINY = ["--suites", "suites", "--suite", "tiny", "--runs", "first", "--threads", "1"]
MAIN, PROTOCOLS = "hit@iou.3", ["--protocol", "locus", "pointing", "classification"]
NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, 8)

    def forward(self, x):
        return self.head(self.layers(x).mean((2, 3)))
"""
METHOD = """
from locus import GradientMethod

class Mine(GradientMethod):
    \"\"\"Gradients with the square of their mean as weights.\"\"\"
    name = "mine"

    def weights(self, A, G):
        return G.mean((-2, -1), keepdim=True) ** 2
"""


def rows_per_case(folder):
    """The packed rows of the main protocol, with a column per threshold, computed from the overlaps."""
    rows = pd.concat([pd.read_parquet(file) for file in sorted(folder.glob("cases*.parquet"))], ignore_index=True)
    for name in (*IOU, *IOBB):
        measure, _, level = name.removeprefix("hit@").partition(".")
        rows[name] = rows[measure].astype(np.float32) > np.float32(f".{level}")
    rows = rows.astype({"model_id": str, "method": str, "finding": str, "image": str})
    return rows.replace({"method": {"mine.py:Mine": "mine"}})  # a file's class has its name in tables


def means(folder):
    """The scores of the rows per case in ``folder``: means over findings, by network and method."""
    of_findings = rows_per_case(folder).groupby(["model_id", "method", "finding"])[[*IOU, *IOBB, "pointing"]].mean()
    return of_findings.groupby(["model_id", "method"]).mean()


def check(folder):
    """Check the user's lines in ``leaderboard.csv``; return the methods that they are about."""
    expected, rows = means(folder), rows_per_case(folder)
    table = pd.read_csv(folder / "leaderboard.csv").dropna(subset=["method"]).set_index(["model_id", "method"], drop=False)
    lines = table[table.index.isin(expected.index)]
    for line in lines.to_dict("records"):
        own = rows[(rows["model_id"] == line["model_id"]) & (rows["method"] == line["method"])]
        assert {name: line[name] for name in expected} == pytest.approx(expected.loc[line["model_id"], line["method"]].to_dict(), abs=1e-5)
        assert line["n"] == len(own)
        assert {finding: line[f"n_{finding}"] for finding in own["finding"]} == own["finding"].value_counts().to_dict()
    return {*lines["method"]}


def network_names(folder):
    """Name of a network in a table -> its model."""
    return {network_words(record.cell): record.cell.model_id for record in records.load(folder) if record.cell.backbone}


@pytest.fixture(scope="module")
def published(write_suite, succeed, tmp_path_factory):
    """A folder in which a small suite was run and is published in ``results``."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "suites").mkdir()
    train = {"dataset": "phantom:train=64,val=16,test=40"}
    fields = {"models": [{"backbone": "custom", "global_pool": ["AVG", "PCAM"]}], "methods": ["cam", "layercam"]}
    write_suite(folder / "suites/tiny.yaml", train, **fields, protocols=["locus", "pointing"])
    succeed("benchmark.run", *TINY, "--results", "results", cwd=folder)
    return folder


def other_weights(folder):
    """Change the weights of all training runs in a folder, as training on another machine would."""
    for n, checkpoint in enumerate(sorted(folder.glob("*/*/best.ckpt"))):
        saved, draw = torch.load(checkpoint, weights_only=True), torch.Generator().manual_seed(n)
        for value in saved["state_dict"].values():
            if value.is_floating_point():
                value.add_(0.02 * torch.randn(value.shape, generator=draw))
        torch.save(saved, checkpoint)


@pytest.fixture(scope="module")
def again(published, succeed, tmp_path_factory):
    """The same suite with other weights, run without ``--results`` beside the published one."""
    folder = tmp_path_factory.mktemp("again") / "user"
    shutil.copytree(published, folder)
    shutil.rmtree(folder / "first/tiny/maps")
    other_weights(folder / "first")
    return folder, succeed("benchmark.run", *TINY, cwd=folder)


def test_a_published_suite_run_again_with_other_weights_shows_the_users_own_numbers_alone(again, published):
    folder, _ = again
    results = folder / "runs/results/tiny"
    assert {"cam", "layercam", "prior", "truth"} <= check(results)
    gaps = (means(results) - means(published / "results/tiny")).abs().max(1)
    assert (gaps.loc[:, ["cam", "layercam"]] > 0).any(), "the weights did not change a score"
    assert "published)" not in (results / "leaderboard.md").read_text(), "no published row of a network that was trained again"


def test_both_scores_are_side_by_side_after_a_run(again, published):
    folder, done = again
    both = [means(at)[MAIN] for at in (published / "results/tiny", folder / "runs/results/tiny")]
    names = network_names(folder / "runs/results/tiny")
    block = done.stdout.partition("Published scores and yours\n")[2].partition("\n\n")[0]
    lines = [line for line in block.splitlines()[2:] if line.strip()]
    assert len(lines) == 4
    for line in lines:
        model = next(model for name, model in names.items() if line.startswith(name))
        method = re.findall(r"\b(cam|layercam)\b", line)[0]
        shown = [float(word) for word in re.findall(r"(\d\.\d{3}) \[", line)]
        assert shown == pytest.approx([scores.loc[(model, method)] for scores in both], abs=0.0005 + 1e-6)


def test_an_added_method_stands_beside_the_published_rows_of_the_same_weights(published, succeed, tmp_path):
    folder = Path(shutil.copytree(published, tmp_path / "user"))
    (folder / "mine.py").write_text(METHOD)
    done = succeed("benchmark.run", *TINY, "--method", "mine.py:Mine", "--trust", "True", cwd=folder)
    assert "mine" in check(folder / "runs/results/tiny")
    assert "Yours: mine on small CNN" in done.stdout
    text, network, networks = (folder / "runs/results/tiny/leaderboard.md").read_text(), "", {}
    for first, method, *_ in (line.removeprefix("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")):
        network = first.strip() or network
        networks.setdefault(method.strip("* "), network)
    assert {method: "published" in networks[method] for method in ("mine", "cam", "layercam")} == {
        "mine": False,
        "cam": True,
        "layercam": True,
    }


@pytest.fixture(scope="module")
def nih(tmp_path_factory):
    """nih(images, without, tables): a folder of NIH's layout with some boxed images of the official test list."""
    if not SAMPLE.is_dir():
        pytest.skip("requires ../shared/nih-sample")
    boxes, entries = pd.read_csv(SAMPLE / "BBox_List_2017.csv"), pd.read_csv(SAMPLE / "Data_Entry_2017_v2020.csv")

    def make(images, without=None, tables=True):
        root = tmp_path_factory.mktemp(f"nih{images}")
        (root / "images").mkdir()
        lacking = boxes[boxes["Finding Label"] == without]["Image Index"]
        marks = boxes[~boxes["Image Index"].isin(lacking)]
        turns = marks.assign(turn=marks.groupby("Finding Label").cumcount()).sort_values("turn", kind="stable")
        chosen = turns["Image Index"].drop_duplicates()[:images].tolist()
        for name in chosen:
            shutil.copy(SAMPLE / "images" / name, root / "images")
        if not tables:
            return root
        marks[marks["Image Index"].isin(chosen)].to_csv(root / "BBox_List_2017.csv", index=False)
        entries[entries["Image Index"].isin(chosen)].to_csv(root / "Data_Entry_2017_v2020.csv", index=False)
        (root / "test_list.txt").write_text("\n".join(chosen) + "\n")
        (root / "train_val_list.txt").write_text("")
        return root

    return make


def run_nih(succeed, folder, root):
    """Run the suite ``nih`` on a folder of images with a network of the user; return the results and the output."""
    (folder / "net.py").write_text(NETWORK)
    words = ["--suite", "nih", "--data_root_dir", root, "--model", "net.py:Net", "--img_size", "64", "--channels", "1"]
    words += ["--entry", "My net", "--findings", *FINDINGS, "--method", "cam", "gradcam", "--threads", "1"]
    done = succeed("benchmark.run", *words, *PROTOCOLS, cwd=folder)
    return folder / "runs/results/nih", done.stdout


@needs_sample
@pytest.mark.parametrize(("images", "without", "tables"), [(40, None, True), (38, "Infiltrate", True), (40, None, False)])
def test_a_network_on_some_images_of_nih_has_its_own_block_and_leaves_the_published_one(nih, succeed, tmp_path, images, without, tables):
    results, printed = run_nih(succeed, tmp_path, nih(images, without, tables))
    assert {"cam", "gradcam", "prior", "truth"} <= check(results)
    assert (without is None) is ("Infiltration" in {*rows_per_case(results)["finding"]})
    assert f"of {images} images: hits over" in printed
    text, committed = (results / "leaderboard.md").read_text(), (ROOT / "results/nih/leaderboard.md").read_text()
    for line in (line for line in committed.splitlines() if line.startswith(("**", "| "))):
        assert line in text, "the published answer and tables stay"


@needs_sample
def test_maps_and_boxes_on_some_images_of_nih_are_scored_on_these(nih, succeed, tmp_path):
    root, random = nih(40), np.random.default_rng(0)
    (tmp_path / "maps").mkdir()
    lines = ["image,finding,x0,y0,x1,y1,score"]
    for image, finding, x, y, w, h in pd.read_csv(root / "BBox_List_2017.csv").iloc[:, :6].itertuples(index=False):
        name = "Infiltration" if finding == "Infiltrate" else finding
        np.save(tmp_path / "maps" / f"{Path(image).stem}_{name}.npy", random.random((8, 8), dtype=np.float32))
        lines.append(f"{image},{name},{x},{y},{x + w * random.uniform(0.3, 1):.1f},{y + h * random.uniform(0.3, 1):.1f},1")
    (tmp_path / "boxes.csv").write_text("\n".join(lines) + "\n")
    words = ["--dataset", "NIH", "--data_root_dir", root, "--num_classes", "8"]
    formats = {"maps": ["--maps", "maps", "--alignment", "conventional"], "boxes": ["--boxes", "boxes.csv", "--box_format", "xyxy"]}
    for kind, given in formats.items():
        succeed("benchmark.score", *words, *given, "--entry", f"My {kind}", cwd=tmp_path)
        assert len(check(tmp_path / f"runs/results/my-{kind}")) >= 3
