"""Samples in memory: what a data set of ``locus.evaluate`` accepts."""

import dataclasses

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError
from locus.core.types import Sample
from locus.datasets.base import RelabeledDataset, Samples
from locus.datasets.io.cache import PixelCache

GOOD = Sample(
    "a.png", "p1", (10, 20), np.array([1, np.nan], np.float32), {"Mass": np.array([[1.0, 2, 5, 6]])}, lambda: np.zeros((10, 20), np.uint8)
)


def samples(*given):
    return Samples(given, ("Mass", "Nodule"), "test")


def box(*edges):
    return {"boxes": {"Mass": [[*edges]]}}


@pytest.mark.byhand
def test_a_box_that_is_partly_outside_is_clipped_and_counted(caplog):
    assert samples(dataclasses.replace(GOOD, **box(-5, 2, 5, 30)))[0].boxes["Mass"].tolist() == [[0, 2, 5, 10]]
    assert "clipped 1 boxes" in caplog.text


@pytest.mark.byhand
def test_the_cache_of_a_sample_with_a_new_reader_has_the_new_pixels(tmp_path):
    data = datasets.load("phantom:train=2,val=2,test=2", split="test")
    black = [dataclasses.replace(sample, read=lambda: np.zeros(data[0].frame, np.uint8)) for sample in data]
    of = [PixelCache(Samples([*given], data.findings, "test"), 32, tmp_path).complete().max() for given in (data, black)]
    assert of[0] > 0
    assert of[1] == 0


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        (box(5, 2, 1, 6), "a.png, Mass: 1 of 1 .*inverted"), (box(1, 2, 1, 6), "empty"), (box(1, 2, np.nan, 6), "finite"),
        (box(1, 2, np.inf, 6), "finite"), (box(20, 2, 30, 6), "outside"), (box(-9, 2, 0, 6), "outside"), (box(1, 2, 1.5, 2.5), "pixel"),
        ({"boxes": {"Mass": [[1, 2, 5, 6], [1, 2, 5, 6]]}}, "repeated"), (box(1, 2, 5), r"\(1, 3\)"), (box("1", "2", "5", "6"), "<U1"),
        ({"boxes": {"Mas": [[1, 2, 5, 6]]}}, "'Mas'"), ({"boxes": {"Nodule": [[1, 2, 5, 6]]}, "labels": np.zeros(2)}, "label 0"),
        ({"labels": np.array([2, 0])}, r"2\.0"), ({"labels": np.array([-1, 0])}, r"-1\.0"), ({"labels": np.ones(3)}, "3 labels, not 2"),
        ({"frame": (0, 20)}, r"\(0, 20\)"), ({"frame": (10,)}, r"\(10,\)"), ({"frame": (10.5, 20)}, "whole"),
        ({"image_id": 3}, "image_id.* 3"), ({"patient_id": None}, "patient_id.*None"), ({"image_id": ""}, "image_id"),
    ],
)  # fmt: skip
def test_a_sample_that_is_not_valid_is_refused(changes, facts):
    with pytest.raises(BadValueError, match=facts):
        samples(dataclasses.replace(GOOD, **changes))


@pytest.mark.parametrize("other", ["a.png", " a.png", "a.png\u200b"])
def test_an_image_given_twice_is_refused(other):
    with pytest.raises(BadValueError, match=r"a\.png is given twice"):
        samples(GOOD, dataclasses.replace(GOOD, image_id=other))


@pytest.mark.parametrize("given", [None, "abc", {GOOD}, (one for one in [GOOD]), [3], [None]])
def test_data_are_a_list_of_samples(given):
    with pytest.raises(BadValueError, match="give "):
        Samples(given, ("Mass", "Nodule"), "test")


@pytest.mark.parametrize("findings", [("T1", "T-1"), {"Mass"}, "Mass"])
def test_findings_of_a_network_that_cannot_be_told_apart_are_refused(findings):
    with pytest.raises(BadValueError):
        RelabeledDataset(datasets.load("phantom", test=2), findings, [0])


@pytest.mark.parametrize(("name", "root"), [(None, None), (3, None), (["NIH"], None), ("NIH", 3)])
def test_name_and_folder_of_a_data_set_are_texts(name, root):
    with pytest.raises(BadValueError, match=r"data set|root is 3"):
        datasets.load(name, root)
