"""The picture of a case: file formats, boxes, threshold."""

import re

import numpy as np
import pytest

from locus import drawing
from locus.benchmark.pictures import panels
from locus.benchmark.pictures.panels import RawMap, prepare_case
from locus.core.types import Sample

pytestmark = pytest.mark.byhand

BEGINS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture(scope="module")
def picture():
    """A map of three separate places, the highest on the left, on an image with one truth box."""
    values = np.zeros((8, 8), np.float32)
    values[1, 1], values[1, 6], values[6, 6] = 1, 0.8, 0.7
    sample = Sample("a.png", "p", (64, 64), np.ones(1, np.float32), {"Mass": np.array([[2.0, 2, 20, 20]])}, lambda: image)
    image = np.full((64, 64), 99, np.uint8)
    raw_map = RawMap("cam", values, "conventional", 0.9)
    return prepare_case(sample, image, "Mass", raw_map, 0.4, "validation")


@pytest.mark.parametrize(("boxes", "words"), [({}, "truth unknown"), ({"Nodule": np.array([[2.0, 2, 9, 9]])}, "no truth box")])
def test_unknown_truth_differs_from_no_box(picture, boxes, words):
    sample = Sample("a.png", "p", (64, 64), np.zeros(0, np.float32), boxes, lambda: picture.image)
    assert words in prepare_case(sample, picture.image, "Mass", picture.raw, 0.4, "fixed").caption


@pytest.mark.parametrize("kind", ["png", pytest.param("pdf", marks=pytest.mark.slow), "svg"])
def test_file_formats_are_reproducible(picture, tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    panels.save(picture, path)
    first = path.read_bytes()
    assert first.startswith(BEGINS[kind])
    panels.save(picture, path)
    assert path.read_bytes() == first


def test_the_peaks_box_is_solid_others_are_dashed_and_the_threshold_has_its_source(picture, tmp_path):
    panels.save(picture, tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text()
    drawn = re.findall(rf'style="fill: none; (stroke-dasharray[^"]*)?[^"]*stroke: {drawing.PREDICTED}', text)
    assert [bool(dashes) for dashes in drawn] == [False, True, True]
    assert picture.predicted[0][:2].max() < 16
    assert text.count(f"stroke: {drawing.TRUTH}") == 1
    assert "threshold 0.4 (validation)" in text
