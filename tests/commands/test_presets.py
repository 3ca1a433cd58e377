"""Every preset is started for an epoch, as a user types it, on a small data set in the true layout; none is listed here."""

import json

import pytest
import torch
import yaml

from locus import heatmap
from locus import train as main
from locus.benchmark import opening
from locus.config import TrainConfig
from locus.core.names import SPELLED
from locus.flags.cli import CONFIGS, parse, read_yaml
from tests.datasets.trees import chexpert_tree, covid_radiography_tree, folder_tree, nih_tree, siim_covid_tree  # noqa: F401

pytestmark = pytest.mark.commands
PRESETS = [path.stem for path in sorted(CONFIGS.glob("*.yaml")) if path.stem not in SPELLED]
"""Recipes by their name, and defaults of a data set by its word."""
FIRST = {read_yaml(CONFIGS / f"{name}.yaml").get("dataset", name).partition(":")[0]: name for name in reversed(PRESETS)}.values()
"""One of each data set."""
ONE_OF_EACH = [pytest.param(name, marks=[] if name in FIRST else pytest.mark.slow) for name in PRESETS]


@pytest.fixture
def started(request, tmp_path_factory):
    """started(preset, flags) -> folder of its finished run; the data are the generator's of its data set."""

    def run(name, flags):
        word = read_yaml(CONFIGS / f"{name}.yaml").get("dataset", name)
        data = "--dataset phantom:train=16,val=8,test=8"
        if word != "phantom":
            root = request.getfixturevalue(f"{word.split(':')[0].lower()}_tree")()
            data = f"--dataset {word} --data_root_dir {root}"
        runs = tmp_path_factory.mktemp("runs")
        places = f"--model_save_dir {runs}/train --log_dir {runs}/logs --cache_dir {runs}/cache"
        small = "--pretrained False --epochs 1 --batch_size 4 --threads 1 --num_workers 1 --logger csv --plots False"
        assert main.main(f"--config {CONFIGS / name}.yaml {data} {places} {small} {flags}".split()) == 0
        (folder,) = (runs / "train").iterdir()
        assert json.loads((folder / "metrics.json").read_text())["epochs"] == 1
        return folder

    return run


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_preset_trains_for_an_epoch_on_its_data_set_with_the_small_network(started, name):
    stated, _ = parse(TrainConfig, ["--config", str(CONFIGS / f"{name}.yaml")], "main.py")
    grey = stated.backbone.partition(":")
    folder = started(name, f"--img_size 32 --backbone custom{grey[1]}{grey[2]}")
    ran = yaml.safe_load((folder / "config.yaml").read_text())
    others = {"dataset", "data_root_dir", "backbone", "pretrained", "epochs", "batch_size", "img_size"}
    recipe = read_yaml(CONFIGS / f"{name}.yaml").keys() - others
    assert {flag: ran[flag] for flag in recipe} == {flag: getattr(stated, flag) for flag in recipe}


def test_a_map_of_padded_images_lies_where_their_truth_does(started, tmp_path):
    """CheXpert's files are 20 x 15 here, of images that were published as 40 x 30: the right quarter of the square is grey."""
    folder = started("chexpert5", "--img_size 32 --backbone custom:mean=128,std=64")
    shown = {}
    for name, asked in {"test": [], "file": ["--image", str(tmp_path / "valid/patient64541/study1/view1_frontal.jpg")]}.items():
        assert heatmap.main(["--checkpoint", str(folder), "--output_dir", str(tmp_path / name), "--cases", "1", *asked]) == 0
        shown[name] = json.loads(next(tmp_path.glob(f"{name}/*/boxes.json")).read_text())["cases"][0]
    assert [shown[name]["frame"] for name in ("test", "file")] == [[40, 40], [20, 20]]
    assert (shown["test"]["finding"], shown["test"]["truth"]) == ("Cardiomegaly", [[8, 20, 20, 30]])


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_trains_for_an_epoch_with_its_own_network(started, name):
    started(name, "--img_size 64")


@pytest.mark.slow
def test_two_processes_learn_what_one_does_with_twice_the_batch(succeed, tmp_path):
    flags = (
        "--dataset phantom:train=64,val=16,test=16 --backbone squeezenet1_1 --img_size 32 --optimizer SGD --lr .01 --epochs 2 "
        "--precision 32 --threads 1 --logger csv --plots False --ema .5 --sampler weighted --accumulate 2 "
        f"--cache_dir {tmp_path}/cache --log_dir {tmp_path}/logs"
    ).split()
    states = []
    for name, more in (("one", "--batch_size 16"), ("two", "--batch_size 8 --devices 2 --strategy ddp")):
        succeed("main.py", *flags, *more.split(), "--model_save_dir", tmp_path / name)
        (last,) = (tmp_path / name).glob("*/last.ckpt")
        states.append(opening.checkpoint(last).content["state_dict"])
    assert states[0].keys() == states[1].keys()
    assert all(torch.allclose(states[0][name], states[1][name], atol=1e-6) for name in states[0])
