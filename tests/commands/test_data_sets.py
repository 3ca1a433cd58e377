"""Data sets as a user names them: absent, misspelt as earlier work did, downloaded, and through main.py, heatmap.py and a suite."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from locus import datasets, heatmap
from locus.benchmark import check as checks
from locus.benchmark.records import load
from locus.benchmark.training.runs import identity
from locus.config import TrainConfig
from locus.core.names import SPELLED
from locus.datasets import nih
from locus.datasets.io.download import Kaggle
from locus.flags.cli import parse
from tests.benchmark.test_opening import FILE
from tests.datasets.trees import chexpert, covid_radiography, write

pytestmark = pytest.mark.commands
SMALL = "--pretrained False --epochs 1 --backbone custom --img_size 32 --logger csv --plots False"
CLIENT = """#!{python}
import sys, shutil
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.datasets.trees import covid_radiography, write
assert sys.argv[1:5] == ["datasets", "download", "tawsifurrahman/covid19-radiography-database", "-p"]
tree = write(Path(sys.argv[5]) / "tree", covid_radiography(images=4))
shutil.make_archive(sys.argv[5] + "/covid19-radiography-database", "zip", tree)
"""


@pytest.mark.parametrize("word", [word for word in datasets.names() if word != "phantom"])
@pytest.mark.parametrize("there", [False, True])
def test_absent_data_are_one_sentence_with_the_layout_and_the_download(refused, tmp_path, word, there):
    root = tmp_path / "data"
    if there:
        root.mkdir()
    error = refused(f"--dataset {word} --data_root_dir {root} {SMALL}")
    assert re.search(rf" {root}.*\.(csv|png|dcm|json)", error)
    assert ("--download True" in error) == isinstance(datasets.REGISTRY.get(word).origin, Kaggle)
    assert sorted(path.name for path in tmp_path.iterdir()) == (["data"] if there else [])


def test_the_spelling_of_earlier_work_trains_with_a_note(train, tmp_path, caplog):
    write(tmp_path / "data", chexpert())
    assert train(f"--dataset ChesXpert:policy=ones --data_root_dir {tmp_path}/data {SMALL}") == 0
    assert "the current spelling is CheXpert" in caplog.text
    run = next((tmp_path / "train").iterdir())
    assert run.name.startswith("CheXpert-custom")
    assert "dataset: CheXpert:policy=ones" in (run / "config.yaml").read_text()


@pytest.mark.parametrize(("old", "word"), SPELLED.items())
def test_the_spelling_of_earlier_work_has_the_same_defaults(old, word):
    first, second = (parse(TrainConfig, ["--dataset", name], "main.py")[0] for name in (old, word))
    assert first == second


def test_a_download_fills_the_folder_and_the_command_continues(train, tmp_path, monkeypatch):
    """Kaggle's client is a little program on the path that checks its words and brings a generated archive."""
    client = tmp_path / "bin" / "kaggle"
    client.parent.mkdir()
    client.write_text(CLIENT.format(python=sys.executable, root=str(Path(heatmap.__file__).parents[1])))
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(client.parent))
    word = "covid_radiography:val=1,test=1"
    page = ["--output", f"{tmp_path}/page"]
    assert checks.main(["dataset", word, "--data_root_dir", f"{tmp_path}/a", "--download", *page]) == 1  # all images are alike
    assert (tmp_path / "page/covid_radiography_val=1_test=1/report.md").is_file()
    assert train(f"--dataset {word} --data_root_dir {tmp_path}/b --download True --multi_label False {SMALL}") == 0
    assert [path.name for path in tmp_path.glob("*/COVID-19_Radiography_Dataset/*/images/COVID-1.png")] == ["COVID-1.png"] * 2
    assert not list(tmp_path.glob(".*.download"))


def test_a_download_is_no_part_of_what_a_training_is():
    assert identity(TrainConfig(download=True)) == identity(TrainConfig())


def test_a_data_set_without_boxes_has_its_test_images_explained_without_truth(train, tmp_path, caplog):
    write(tmp_path / "data", covid_radiography(images=4))
    assert train(f"--dataset covid_radiography:val=1,test=1 --data_root_dir {tmp_path}/data --multi_label False {SMALL}") == 0
    assert heatmap.main([*f"--runs {tmp_path}/train --cases 2 --threads 1 --output_dir {tmp_path}/out".split()]) == 0
    assert "no test image of covid_radiography:val=1,test=1 has a truth box: the first images are explained, without truth" in caplog.text
    rows = json.loads(next(tmp_path.glob("out/*/boxes.json")).read_text())["cases"]
    assert [(row["truth"], row["iou"]) for row in rows] == [(None, None)] * 2


@pytest.fixture(scope="module")
def images_alone(tmp_path_factory):
    """A folder with some of NIH's images and no table: 16 of train, 6 of val, and 6 of test with each finding's box."""
    root = tmp_path_factory.mktemp("alone")
    split = {name: datasets.load("NIH", split=name, images=False) for name in ("train", "val", "test")}
    names = [split[name][i].image_id for name, n in (("train", 16), ("val", 6)) for i in range(n)]
    boxed = [sample for sample in split["test"] if sample.boxes]
    names += dict.fromkeys(s.image_id for finding in split["test"].findings for s in [s for s in boxed if finding in s.boxes][:6])
    (root / "images_001").mkdir()
    for i, name in enumerate(names):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (40, 40), np.uint8)).save(root / "images_001" / name)
    boxes = sum(len(sample.boxes) for sample in boxed if sample.image_id in names)
    return root, len(names) - 22, boxes


def test_a_folder_of_nihs_images_without_tables_trains_and_is_explained_with_the_published_boxes(train, images_alone, tmp_path, caplog):
    root, count, _ = images_alone
    assert train(f"--dataset NIH --data_root_dir {root} {SMALL}") == 0
    metrics = json.loads(next((tmp_path / "train").glob("*/metrics.json")).read_text())
    assert (metrics["train"]["n"], metrics["val"]["n"], metrics["test"]["n"]) == (16, 6, count)
    of_package = {name for name in metrics["data"]["test"]["tables"] if name.endswith(".gz")}
    assert of_package == {path.name for path in nih.SHIPPED.glob("*.gz")}
    assert heatmap.main([*f"--runs {tmp_path}/train --cases 2 --threads 1 --output_dir {tmp_path}/out".split()]) == 0
    assert all(row["truth"] for row in json.loads(next(tmp_path.glob("out/*/boxes.json")).read_text())["cases"])
    assert len([text for text in caplog.messages if "published files that are in Locus" in text]) == 1


def test_a_suite_scores_an_own_network_on_nihs_images_without_tables(images_alone, write_suite, succeed, tmp_path):
    root, _, boxes = images_alone
    (tmp_path / "net.py").write_text(FILE.replace("num_classes=3", "num_classes=8"))
    data = {"dataset": "NIH", "data_root_dir": "data/NIH", "num_classes": 8, "img_size": 32}
    write_suite(tmp_path / "tiny.yaml", data, methods=["cam"])
    places = ["--suites", tmp_path, "--results", tmp_path / "results", "--runs", tmp_path / "runs", "--cache_dir", tmp_path / "cache"]
    network = ["--data_root_dir", root, "--model", f"{tmp_path / 'net.py'}:Net", "--threads", "1"]
    succeed("benchmark.run", "--suite", "tiny", *places, *network)
    records = [record for record in load(tmp_path / "results/tiny") if record.cell.method == "cam"]
    assert [(record.status, record.rests_on["truth boxes"]) for record in records] == [("ok", boxes)]
