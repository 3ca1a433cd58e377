"""A model on the images of another data set: findings by name, training patients excluded."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from locus import datasets
from locus.benchmark.maps.runs import GivenModel, images_of
from locus.config import TrainConfig
from locus.core.errors import DataError, LeakError
from locus.core.names import canonical_finding
from locus.datasets.base import Dataset, RelabeledDataset
from tests.datasets.trees_radiologists import chestx_det_tree, rsna_pneumonia_tree, vindr_cxr_tree, write_lines  # noqa: F401 - fixtures

NIH = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax", "Pleural_Thickening")
HEADER = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width,Height]"
IMAGES = [f"{i // 2 + 1:08}_{i % 2:03}.png" for i in range(12)]
"""Two images of each of six patients: 1 to 4 are in training, 5 and 6 are held out."""


@pytest.fixture
def nih(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with NIH's layout and random pixels."""
    root = tmp_path_factory.mktemp("nih")
    (root / "images").mkdir()
    for i, name in enumerate(IMAGES):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 64), np.uint8)).save(root / "images" / name)
    rows = [f"{name},{'Mass' if i % 2 else 'No Finding'},0,{i // 2 + 1},58,M,PA,1,1" for i, name in enumerate(IMAGES)]
    write_lines(root / "Data_Entry_2017_v2020.csv", HEADER, *rows)
    write_lines(root / "BBox_List_2017.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,", f"{IMAGES[9]},Mass,10,20,300,400,,,")
    write_lines(root / "train_val_list.txt", *IMAGES[:8])
    write_lines(root / "test_list.txt", *IMAGES[8:])
    return root


@pytest.fixture
def training(nih: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return TrainConfig(dataset="NIH", data_root_dir=str(nih), num_classes=14, img_size=32, cache_dir=str(tmp_path_factory.mktemp("cache")))


def on(training: TrainConfig, word: str, root: Path) -> Dataset:
    other = TrainConfig(dataset=word, data_root_dir=str(root), img_size=32, cache_dir=training.cache_dir, max_bad_images=0.5)
    return images_of(other, "test", GivenModel("net", Path("best.ckpt"), "digest", "code", NIH, "", trained=training))


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("chestx_det", {"Atelectasis", "Cardiomegaly", "Effusion", "Mass", "Nodule", "Pneumothorax", "Pleural_Thickening"}),
        ("vindr_cxr", {"Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Pneumothorax", "Pleural_Thickening"}),
        ("rsna_pneumonia", {"Pneumonia"}),
    ],
)
def test_findings_match_by_name_only(request: pytest.FixtureRequest, name: str, shared: set[str]):
    data = datasets.load(f"{name}:whole=True", request.getfixturevalue(f"{name}_tree")())
    result = RelabeledDataset(data, NIH, range(len(data)))
    assert set(result.describe["findings"]) == shared
    assert {finding for sample in result for finding in sample.boxes} <= shared
    known = ~np.isnan(result.labels).all(axis=0)
    assert {finding for finding, there in zip(NIH, known, strict=True) if there} == shared


def test_truth_and_labels_have_the_names_and_order_of_the_model(vindr_cxr_tree: Callable[..., Path]):  # noqa: F811
    data = datasets.load("vindr_cxr:whole=True", vindr_cxr_tree())
    result = RelabeledDataset(data, ("Edema", "Cardiomegaly"), [1, 2])
    assert result[0].boxes["Cardiomegaly"].tolist() == data[1].boxes["Cardiomegaly"].tolist()
    assert result.labels[0].tolist()[1] == 1
    read = {reader: list(marked) for reader, marked in result.readings(0).items()}
    assert read == {
        "R8": ["Cardiomegaly"],
        "R9": ["Cardiomegaly"],
        "R10": [],
    }
    assert canonical_finding("Nodule/Mass") not in (canonical_finding("Nodule"), canonical_finding("Mass"))
    with pytest.raises(DataError, match=r"vindr_cxr.*\(Hernia\).*Cardiomegaly"):
        RelabeledDataset(data, ("Hernia",), [0])


def test_masks_have_the_names_of_the_model(chestx_det_tree: Callable[..., Path]):  # noqa: F811
    result = RelabeledDataset(datasets.load("chestx_det", chestx_det_tree()), ("Mass",), [0])
    assert {finding: mask.shape for finding, mask in result[0].masks.items()} == {"Mass": (1024, 1024)}


def test_training_patients_are_identified_by_rsna_mapping_and_left_out(training: TrainConfig, rsna_pneumonia_tree, caplog):  # noqa: F811
    """Patients 1 to 4 of NIH's patients 0 to 7 are in training: five of the ten images remain."""
    result = on(training, "rsna_pneumonia:whole=True", rsna_pneumonia_tree())
    assert sorted(set(result.patients)) == ["00000000", "00000005", "00000006", "00000007"]
    assert (result.describe["images_seen_in_training"], result.describe["images_not_traced"]) == (5, 0)
    assert [r.levelname for r in caplog.records if "left out 5 of 10 images" in r.message] == ["WARNING"]


def test_training_images_are_identified_by_their_pixels(training: TrainConfig, nih: Path, chestx_det_tree):  # noqa: F811
    root = chestx_det_tree()
    for number, image in ((36200, IMAGES[0]), (36201, IMAGES[9])):  # one of training, one held out
        (root / "train_data" / f"{number}.png").write_bytes((nih / "images" / image).read_bytes())
    result = on(training, "chestx_det:whole=True", root)
    assert "36200.png" not in {sample.image_id for sample in result}
    assert "36201.png" in {sample.image_id for sample in result}
    assert (result.describe["images_seen_in_training"], result.describe["images_not_traced"], result.describe["images"]) == (1, 9, 10)


def test_data_with_training_patients_only_are_refused(training: TrainConfig, rsna_pneumonia_tree):  # noqa: F811
    root = rsna_pneumonia_tree()
    mapping = root / "pneumonia-challenge-dataset-mappings_2018.json"
    entries = [{**entry, "img_id": IMAGES[0]} for entry in json.loads(mapping.read_text())]
    mapping.write_text(json.dumps(entries))
    sentence = r"^all 10 images of rsna_pneumonia are of patients in the training data \(NIH\)$"
    with pytest.raises(LeakError, match=sentence):
        on(training, "rsna_pneumonia:whole=True", root)
