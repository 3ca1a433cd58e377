"""Truth without images: tables of torchxrayvision, published splits, training parts."""

import importlib.util
import json
import sys

import numpy as np
import pytest

from locus import datasets
from locus.benchmark.baselines.fixed_region import training_samples
from locus.core.errors import DataError, NoImagesError, NotAvailableError
from locus.datasets import rsna_pneumonia, splits
from locus.datasets.io import rle, tables

xrv = pytest.mark.skipif(importlib.util.find_spec("torchxrayvision") is None, reason="torchxrayvision is not installed")


@xrv
@pytest.mark.slow
@pytest.mark.parametrize(("word", "scored", "training"), [("rsna_pneumonia", (5337, 1218), 3584), ("siim_pneumothorax", (2409, 515), 1584)])
def test_published_splits_have_their_printed_sizes(word, scored, training):
    data = datasets.load(word, images=False)
    assert (len(data), sum(bool(sample.boxes) for sample in data)) == scored
    assert sum(bool(sample.boxes) for sample in data.training_part()) == training
    with pytest.raises(DataError, match="images=False"):
        _ = data[0].image


@pytest.mark.oracle
def test_the_split_of_mgca_is_the_one_its_code_draws():
    """``train_test_split`` twice with seed 0 on sorted patients; its first return value is called test there."""
    model_selection = pytest.importorskip("sklearn.model_selection")
    images = [f"{(n * 7919) % 26684:05}" for n in range(26684)]
    train, held = model_selection.train_test_split(sorted(images), test_size=10674, random_state=0)
    test, val = model_selection.train_test_split(held, test_size=5337, random_state=0)
    names = dict(zip(images, rsna_pneumonia.of_mgca(images), strict=True))
    for word, expected in (("train", train), ("val", val), ("test", test)):
        assert {name for name, split in names.items() if split == word} == {*expected}


def test_training_part_leaves_out_the_patients_of_test_images(chestx_det10_tree):
    root = chestx_det10_tree()
    of_patients, of_images = (datasets.load("chestx_det10", root, images=False, by_patient=known) for known in (True, False))
    kept, everyone = ({sample.image_id for sample in training_samples(data)} for data in (of_patients, of_images))
    assert everyone - kept == {"36202.png"}
    assert len(everyone) == 8


def test_a_box_that_is_published_twice_counts_once(chestx_det10_tree):
    root = chestx_det10_tree()
    entries = json.loads((root / "test.json").read_text())
    entries[0]["boxes"].append(entries[0]["boxes"][0])
    entries[0]["syms"].append(entries[0]["syms"][0])
    (root / "test.json").write_text(json.dumps(entries))
    assert len(datasets.load("chestx_det10", root, images=False)[0].boxes["Mass"]) == 2


def test_an_empty_mask_beside_a_mask_is_an_error(siim_pneumothorax_tree):
    root = siim_pneumothorax_tree()
    table = root / "train-rle.csv"
    table.write_text(f"{table.read_text().rstrip()}\n1.2.3, -1\n")
    with pytest.raises(DataError, match=r"-1 .*beside a mask.*1\.2\.3"):
        datasets.load("siim_pneumothorax", root, partition="all")


def test_a_class_id_with_two_names_is_an_error(vindr_cxr_tree):
    root = vindr_cxr_tree()
    table = root / "train.csv"
    table.write_text(table.read_text().replace("Lung opacity,7", "Lung opacity,3", 1))
    with pytest.raises(DataError, match=r"class_id .*\(1\): 3"):
        datasets.load("vindr_cxr", root)


def test_relative_run_lengths_are_joined(siim_pneumothorax_tree):
    (sample,) = [one for one in datasets.load("siim_pneumothorax", siim_pneumothorax_tree(), partition="all") if one.image_id == "1.2.3"]
    mask = sample.masks["Pneumothorax"]
    assert mask.sum() == 18
    assert mask[:4, 2].all()
    assert mask[:4, 3].all()
    assert len(sample.boxes["Pneumothorax"]) == 2


@pytest.mark.parametrize(("text", "fact"), [("1 2 3", "pairs"), ("1 x", "whole numbers"), ("5 2", "pixel 7.*2x3"), ("-1 2", "pairs")])
def test_a_broken_run_length_is_one_sentence(text, fact):
    with pytest.raises(DataError, match=f"^.*my mask.*{fact}"):
        rle.relative(text, (2, 3), "my mask")


def test_a_list_that_does_not_match_the_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"table.csv .*LoVT"):
        splits.of_lovt("siim_pneumothorax", ["1.2.3"], tmp_path / "table.csv")


def test_a_missing_package_is_one_sentence_and_missing_data(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchxrayvision", None)
    monkeypatch.setattr(tables, "xrv_folder", lambda: None)
    with pytest.raises(NotAvailableError, match=r"torchxrayvision.*locus-cxr\[xrv\]"):
        datasets.load("siim_pneumothorax", images=False)
    assert not datasets.at_hand("siim_pneumothorax:images=False")


def test_the_readers_of_vindr_have_no_patients_and_no_pixels(monkeypatch, vindr_cxr_tree):
    root = vindr_cxr_tree()
    (root / "train.csv").rename(root / "vinbigdata-train.csv.gz")
    monkeypatch.setattr("locus.datasets.vindr_cxr.xrv_table", lambda name: root / name)
    monkeypatch.setattr(tables, "xrv_folder", lambda: None)
    data = datasets.load("vindr_cxr", images=False, votes=1)
    assert len(data) == 12
    assert np.array_equal(data.readings(1)["R8"]["Cardiomegaly"], [[12, 6, 28, 18.5]])
    with pytest.raises((DataError, NoImagesError)):
        _ = data[0].image
