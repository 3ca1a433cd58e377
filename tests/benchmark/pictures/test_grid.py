"""The grid of images and methods for papers."""

import base64
import io
import re

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from locus.benchmark.pictures import gallery
from locus.benchmark.pictures.gallery import MethodCases, SelectedCase
from locus.benchmark.records import Cell, Record
from locus.benchmark.scoring.protocols.base import Case

KEY = ("a", "mass")


def method(word, values):
    case = Case(*KEY[:1], "a", "mass", values, "conventional", (20, 40), np.array([[10.0, 0.0, 30.0, 10.0]]))
    return MethodCases(Record(cell=Cell(dataset="phantom", method=word)), {KEY: {"threshold": 0.5}}, {KEY: case})


@pytest.fixture(scope="module")
def figure():
    peak = np.float16([[0, 1, 0, 0], [0, 0, 0, 0]])
    visible = [method("cam", peak), method("gradcam", peak[:, ::-1]), method("flat", None)]
    return gallery.draw_grid({"a": np.zeros((20, 40), np.uint8)}, visible, [SelectedCase("mass", "median", *KEY[:1], 0.5)])


def test_grid_has_a_column_per_method_and_a_row_per_case(figure):
    assert [axes.get_title() for axes in figure.axes[:4]] == ["image", "cam", "gradcam", "flat"]
    assert figure.axes[0].get_ylabel() == "mass"
    assert figure.get_figwidth() == pytest.approx(7)


def test_maps_share_the_scale_from_0_to_1_and_a_missing_one_shows_the_image_alone(figure):
    pictures = [axes.get_images() for axes in figure.axes[:4]]
    assert [len(visible) for visible in pictures] == [1, 2, 2, 1]
    for visible in pictures[1:3]:
        colours = np.asarray(visible[1].get_array())
        heat = colours[..., 3] / gallery.OPAQUE
        assert (heat.min(), heat.max()) == pytest.approx((0, 1), abs=0.1)
        assert colours[..., :3] == pytest.approx(mpl.colormaps[gallery.COLOURS](heat)[..., :3], abs=0.02)


def test_truth_is_drawn_in_every_panel_and_the_scored_box_around_the_peak_if_there_is_one(figure):
    left = [[patch.get_x() for patch in axes.patches] for axes in figure.axes[:4]]
    assert [boxes[0] for boxes in left] == [10, 10, 10, 10]
    assert [left[1][1], left[2][1]] == pytest.approx([10, 20]), "half of the peak, between two positions"
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes[:4]] == [[], [], [], ["no box"]]


def test_maps_are_transparent_in_vector_files(figure):
    figure.savefig(file := io.StringIO(), format="svg")
    pictures = [Image.open(io.BytesIO(base64.b64decode(text))) for text in re.findall(r"base64,\s*([^\"]+)", file.getvalue())]
    least = [np.asarray(picture.convert("RGBA"))[..., 3].min() for picture in pictures[:6]]
    assert least == [255, 255, 0, 255, 0, 255], "the image alone, then twice the image and its map, then the image of a flat one"
