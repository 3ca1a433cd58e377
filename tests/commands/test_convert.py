"""``python -m benchmark.convert`` as a user types it: another project's weights become a run that explains."""

import json
import re

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from locus import heatmap
from locus import train as main
from locus.benchmark import convert
from locus.benchmark.training import load
from locus.datasets.phantom.patient import FINDINGS

pytestmark = pytest.mark.commands
NETWORK = ["--backbone", "resnet18", "--img_size", "64", "--threads", "1"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A torchvision ResNet-18 for the phantom's eight findings, as DataParallel saves it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("foreign") / "net.pth"
    torch.save({f"module.{k}": v for k, v in torchvision.models.resnet18(num_classes=8).state_dict().items()}, path)
    return path


def converted(*flags):
    """The status of the command in this process."""
    return convert.main([*map(str, flags)])


def test_converted_weights_explain_an_image(weights, tmp_path, caplog):
    data = ["--dataset", "phantom:train=48,val=24,test=24", "--cache_dir", tmp_path / "cache"]
    assert converted("--checkpoint", weights, *NETWORK, *data, "--output_dir", tmp_path / "run") == 0
    assert "122 weights loaded" in caplog.text
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 80), dtype=np.uint8)).save(tmp_path / "a.png")
    asked = ["--checkpoint", tmp_path / "run", "--image", tmp_path / "a.png", "--output_dir", tmp_path / "maps", "--threads", "1"]
    assert heatmap.main([*map(str, asked)]) == 0
    assert len(list((tmp_path / "maps").glob("a_*.png"))) == 1


@pytest.fixture
def evaluated(weights, tmp_path):
    """evaluated(*findings) -> exit status of main.py --evaluate, and the folder of the weights converted with those findings."""

    def run(*findings):
        folder = tmp_path / f"run{len(list(tmp_path.glob('run*')))}"
        data = ["--dataset", "phantom:train=8,val=24,test=24", "--cache_dir", tmp_path / "cache"]
        named = ["--findings", *findings] if findings else []
        assert converted("--checkpoint", weights, *NETWORK, *data, "--output_dir", folder, *named) == 0
        return main.main(["--evaluate", str(folder), "--plots", "False"]), folder

    return run


def test_converted_weights_are_evaluated_on_their_data_set_in_the_order_of_their_own_findings(evaluated):
    (status, plain), (turned, folder) = evaluated(), evaluated(*reversed(FINDINGS))
    assert (status, turned) == (0, 0)
    rows = [json.loads((place / "metrics.json").read_text())["test"]["findings"] for place in (plain, folder)]
    assert list(rows[1]) == list(reversed(FINDINGS))
    assert [row["positives"] for row in rows[1].values()] == [row["positives"] for row in reversed(rows[0].values())]
    assert rows[1]["Mass"]["auroc"] != rows[0]["Mass"]["auroc"]


def test_findings_that_the_data_set_has_not_cannot_be_evaluated(evaluated, capsys):
    status, folder = evaluated("Fracture", *FINDINGS[1:])
    assert status == 2
    assert " Fracture" in capsys.readouterr().err
    assert not (folder / "metrics.json").exists()


@pytest.fixture
def refused(capsys):
    """refused(*flags) -> the sentence with which the command refuses these words, in this process."""

    def run(*flags):
        assert converted(*flags) == 2
        return capsys.readouterr().err

    return run


def test_without_data_the_findings_are_asked_for_and_then_taken_once(refused, weights, tmp_path):
    flags = ["--checkpoint", weights, *NETWORK, "--dataset", "NIH", "--output_dir", tmp_path / "run"]
    assert "--findings" in refused(*flags)
    assert not (tmp_path / "run").exists()
    assert converted(*flags, "--findings", *"abcdefgh") == 0
    assert load.checkpoint(tmp_path / "run").findings == tuple("abcdefgh")
    elsewhere = [*flags[:-1], tmp_path / "other"]
    assert re.search(r"--findings.* 2 .*--num_classes.* 8\b", refused(*elsewhere, "--findings", "a", "b"))
    assert re.search("findings .*a more than once", refused(*elsewhere, "--findings", *"aabcdefg"))
    assert f"--output_dir {tmp_path}/run " in refused(*flags, "--findings", *"hgfedcba")
    assert load.checkpoint(tmp_path / "run").findings == tuple("abcdefgh")


def test_where_no_data_set_is_named_the_weights_have_the_preset_of_none(refused, weights, tmp_path):
    flags = ["--checkpoint", weights, "--backbone", "resnet18", "--threads", "1", "--output_dir", tmp_path / "run"]
    assert re.search("--findings.*--dataset", refused(*flags))
    assert converted(*flags, "--findings", *"abcdefgh") == 0
    ours = load.network(tmp_path / "run")
    assert (ours.train_config.global_pool, ours.train_config.img_size) == ("AVG", 224)
    theirs = torchvision.models.resnet18(num_classes=8).eval()
    theirs.load_state_dict({name.removeprefix("module."): value for name, value in torch.load(weights).items()})
    images = torch.randn(2, 3, 64, 64)
    assert torch.allclose(ours(images), theirs(images), atol=1e-5)


def test_weights_of_another_network_are_refused_with_counts_and_write_nothing(refused, weights, tmp_path):
    flags = ["--checkpoint", weights, "--backbone", "resnet34", "--threads", "1", "--output_dir", tmp_path / "run", "--dataset", "phantom"]
    assert re.search(r"resnet34.* \d+ of \d+ weights", refused(*flags, "--pretrained", "False"))
    assert not (tmp_path / "run").exists()
    assert "--checkpoint FILE" in refused()


def test_the_pooling_of_a_data_sets_preset_is_not_that_of_somebodys_network(weights, tmp_path, capsys):
    flags = ["--checkpoint", weights, "--backbone", "resnet18", "--dataset", "phantom:train=8,val=8,test=8", "--threads", "1"]
    assert converted(*flags, "--output_dir", tmp_path / "run") == 0
    assert load.checkpoint(tmp_path / "run").config.global_pool == "AVG"
    assert "pooling AVG" in capsys.readouterr().out
    assert converted(*flags, "--global_pool", "PCAM", "--output_dir", tmp_path / "other") == 0
    assert load.checkpoint(tmp_path / "other").config.global_pool == "PCAM"
