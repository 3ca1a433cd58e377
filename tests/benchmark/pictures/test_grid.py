"""The grid of images and methods for papers."""

import numpy as np
import pytest

from locus.benchmark.pictures import gallery
from locus.benchmark.pictures.gallery import MethodCases, OpenedModel, SelectedCase
from locus.benchmark.records import Cell, Record
from locus.core.errors import DataError
from locus.drawing import blend
from locus.scoring.protocols.base import Case

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
    (alone,), (cam,), (gradcam,), (flat,) = [[np.asarray(image.get_array()) for image in axes.get_images()] for axes in figure.axes[:4]]
    assert alone.ndim == flat.ndim == 2
    peak = blend(np.zeros((1, 1), np.uint8), np.ones((1, 1), np.float32))[0, 0]
    for pixels in (cam, gradcam):
        assert pixels.reshape(-1, 3).max(0) == pytest.approx(peak, abs=60)
        assert pixels.sum(-1).min() == 0, "the black image where the map has its minimum"


def test_a_grid_without_a_case_that_all_methods_have_is_an_error(tmp_path):
    baseline = method("prior", None)
    model = OpenedModel(
        address="tiny/net",
        title="Tiny",
        network="net",
        records=[baseline.record],
        folder=tmp_path,
        runs_dir=tmp_path,
        findings=["mass"],
        cases_of=lambda cell: [],
        samples={},
    )
    with pytest.raises(DataError, match="net: no case has a score by all methods"):
        gallery.save_grid(model, [baseline], tmp_path / "grid.svg", None)


def test_truth_is_drawn_in_every_panel_and_the_scored_box_around_the_peak_if_there_is_one(figure):
    left = [[patch.get_x() for patch in axes.patches] for axes in figure.axes[:4]]
    assert [boxes[-1] for boxes in left] == [10, 10, 10, 10], "above the predicted box"
    assert [left[1][0], left[2][0]] == pytest.approx([10, 20]), "half of the peak, between two positions"
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes[:4]] == [[], [], [], ["no box"]]
