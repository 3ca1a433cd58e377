"""``python heatmap.py --image_path x.png`` as a user types it: one overlay, named on the screen."""

import os
import re
import shutil

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from PIL import Image

from locus import backbones, heatmap
from locus.benchmark.training import runs
from locus.config import TrainConfig
from locus.core.files import write_json
from locus.drawing import blend
from locus.flags.cli import build
from tests.datasets.trees import write_dicom

pytestmark = pytest.mark.commands
FINDINGS = ("COVID-19", "Lung Opacity", "Normal", "Viral Pneumonia")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of finished four-class runs, their weights random: ResNet-18, older, and the small network."""
    folder = tmp_path_factory.mktemp("runs")
    for age, backbone in enumerate(("custom", "ResNet18")):
        flags = {"backbone": backbone, "pretrained": False, "multi_label": False, "img_size": 64, "dataset": "covid_radiography"}
        config, place = build(TrainConfig, flags), folder / backbone
        torch.manual_seed(age)
        model = backbones.build(backbone, 4)
        runs.write_config(config, place)
        state = {f"model.{name}": value for name, value in model.state_dict().items()}
        torch.save({"state_dict": state, "locus": runs.stamp(config, model, FINDINGS)}, place / "best.ckpt")
        write_json(place / "metrics.json", {})
        os.utime(place / "metrics.json", (1e9 - age, 1e9 - age))
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 150), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def typed(trained, image, capsys):
    """typed(*flags) -> output of the command in this process, after checking its status; its errors if that is 2."""

    def run(*flags, source=image, runs=trained, status=0):
        ended = heatmap.main(["-i", str(source), "--runs", str(runs), "--threads", "1", *map(str, flags)])
        out, errors = capsys.readouterr()
        assert ended == status, errors
        return errors if status else out

    return run


def test_the_command_of_the_covid_project_makes_one_overlay_of_the_image_s_own_size(succeed, trained, image, tmp_path):
    flags = ["--image_path", image, "--label", "covid_19", "--model", "resnet18", "--output_path", tmp_path / "y.jpg", "--runs", trained]
    told = succeed("heatmap.py", *flags).stdout
    for words in (f"overlay: {tmp_path}/y.jpg (COVID-19, score 0.", "gradcam, by", "ResNet18/best.ckpt"):
        assert words in told
    drawn = Image.open(tmp_path / "y.jpg")
    assert (drawn.format, drawn.mode, drawn.size) == ("JPEG", "RGB", (150, 200))
    assert [path.name for path in tmp_path.iterdir()] == ["y.jpg"]


def test_without_a_label_the_highest_score_of_the_newest_run_is_drawn_into_a_folder(typed, tmp_path):
    out = typed("-o", tmp_path)
    assert "custom/best.ckpt" in out
    (path,) = tmp_path.iterdir()
    finding, score = re.search(r"\(([^,]+), score ([\d.]+)", out).groups()
    assert (path.name, float(score) >= 0.25) == (f"x_{finding.replace(' ', '_')}.png", True)
    pixels = np.asarray(Image.open(path)).astype(int)
    assert (pixels.max(-1) - pixels.min(-1)).max() > 50  # colours over grey


def test_a_dicom_file_is_drawn_too_by_a_checkpoint_s_path(typed, trained, tmp_path):
    write_dicom(tmp_path / "a.dcm", np.random.default_rng(0).integers(0, 4000, (120, 100), dtype=np.uint16))
    out = typed("-m", trained / "custom", "-l", "viral_pneumonia", "-o", tmp_path / "a.png", source=tmp_path / "a.dcm")
    assert "(Viral Pneumonia, score" in out
    assert Image.open(tmp_path / "a.png").size == (100, 120)


def test_a_name_with_slashes_stays_in_the_folder(typed, trained, tmp_path):
    content = torch.load(trained / "custom" / "best.ckpt", weights_only=True)
    content["locus"]["findings"] = ["../../Nodule/Mass", *FINDINGS[1:]]
    torch.save(content, tmp_path / "odd.ckpt")
    (tmp_path / "out").mkdir()
    typed("-m", tmp_path / "odd.ckpt", "-l", "../../Nodule/Mass", "-o", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x_.._.._Nodule_Mass.png"]


def test_runs_of_networks_that_are_no_more_and_folders_named_as_one_are_passed_over(typed, trained, tmp_path, monkeypatch):
    for name, content in (("old", "backbone: oldnet\n"), ("broken", "{")):
        shutil.copytree(trained / "custom", tmp_path / "runs" / name)
        (tmp_path / "runs" / name / "config.yaml").write_text(content)
    shutil.copytree(trained / "ResNet18", tmp_path / "runs" / "ResNet18")
    (tmp_path / "resnet18").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "ResNet18/best.ckpt" in typed("-m", "resnet18", "-o", tmp_path / "y.png", runs=tmp_path / "runs")


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        (["-l", "fracture"], "label.*'fracture'.*COVID-19, Lung Opacity, Normal, Viral Pneumonia"),
        (["-m", "densenet121"], "backbone densenet121.*custom, resnet18"),
        (["-m", "absent.ckpt"], r"'absent\.ckpt'.*run folder"),
        (["-m", "runs/absent"], r"'runs/absent'.*run folder"),
        (["-m", "resnet81"], "backbone.*'resnet81'.*'resnet18'"),
        (["-o", "y.gif"], r"--output_path y\.gif.*\.png, \.jpg"),
        (["--method", "cam", "gradcam"], "--image_path.*--method"),
        (["--method", "fast"], "--image_path.*--method"),
        (["-l", "non-covid-19"], "label.*'non-covid-19'.*COVID-19, Lung"),
        (["--method", "pcam"], "map.*'pcam'.*PCAM"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(typed, tmp_path, flags, facts):
    errors = typed(*(flags if "-o" in flags else [*flags, "-o", tmp_path / "y.png"]), status=2)
    assert re.search(facts, errors)
    assert not list(tmp_path.iterdir())


METHODS = """
import locus, torch
class Hungry(locus.GradientMethod):
    name = "hungry"
    def weights(self, A, G): return bytearray(2**60)
class Flat(locus.Method):
    name = "flat"
    needs = frozenset({"features"})
    def maps(self, evidence): return torch.ones(*evidence.logits.shape, *evidence.A.shape[-2:])
"""


def test_too_little_memory_and_a_flat_map_are_reported(typed, tmp_path, caplog):
    (tmp_path / "mine.py").write_text(METHODS)
    typed("--method", f"{tmp_path}/mine.py:Flat", "-o", tmp_path / "y.png")
    assert "flat map" in caplog.text
    errors = typed("--method", f"{tmp_path}/mine.py:Hungry", "-o", tmp_path / "y.png", status=2)
    assert re.search("memory.*--memory_gib", errors)


def test_an_absent_image_and_flags_without_one_are_sentences(typed, tmp_path, capsys):
    assert f"{tmp_path}/none.png" in typed(source=tmp_path / "none.png", status=2)
    assert heatmap.main(["-l", "covid_19"]) == 2
    assert re.search("--label.*--image_path", capsys.readouterr().err)


def test_heat_is_laid_over_the_gray_of_the_image_and_nothing_where_there_is_none():
    mixed = blend(np.array([[90, 200]], np.uint8), np.array([[0.0, 1.0]], np.float32))
    assert mixed.shape == (1, 2, 3)
    assert mixed[0, 0].tolist() == [90, 90, 90]
    assert mixed[0, 1, 0] == round(0.3 * 200 + 0.7 * round(255 * colormaps["turbo"](1.0)[0]))


def test_of_two_runs_of_a_backbone_the_one_that_knows_the_label_is_taken_however_old(typed, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    newer = tmp_path / "runs" / "newer"
    shutil.copytree(trained / "ResNet18", newer)
    content = torch.load(newer / "best.ckpt", weights_only=True)
    content["locus"]["findings"] = ["Mass", "Nodule", "Effusion", "Fibrosis"]
    torch.save(content, newer / "best.ckpt")
    where = {"runs": tmp_path / "runs"}
    assert "ResNet18/best.ckpt" in typed("-m", "resnet18", "-l", "covid_19", "-o", tmp_path / "y.png", **where)
    assert "newer/best.ckpt" in typed("-m", "resnet18", "-l", "fibrosis", "-o", tmp_path / "y.png", **where)
    assert f"{tmp_path}/runs" in typed("-m", "resnet18", "-l", "hernia", "-o", tmp_path / "y.png", **where, status=2)
