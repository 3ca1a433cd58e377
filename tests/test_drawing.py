"""Pictures from plain arrays: ``locus.overlay`` and ``maps.show()``, and what ``print`` says about maps and scores."""

import numpy as np
import pytest
import torch

import locus
from locus import drawing
from locus.core.errors import BadValueError, UnknownNameError

BOX = [[10, 20, 30, 40]]


@pytest.fixture(scope="module")
def maps():
    layers = torch.nn.Conv2d(3, 4, 8, 8), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    model = locus.wrap(torch.nn.Sequential(*layers), findings=["Mass", "Nodule"], img_size=64)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return locus.explain(model, images, ["cam", "gradcam"], findings=["Nodule"])


def colours(axes):
    return [(patch.get_edgecolor(), patch.get_linestyle(), patch.get_bbox().extents.tolist()) for patch in axes.patches]


def test_an_overlay_has_the_boxes_in_the_pixels_of_the_image():
    figure = locus.overlay(np.zeros((50, 100), np.uint8), [[0, 1]], boxes=[*BOX, [0, 0, 5, 5]], truth=BOX)
    (axes,) = figure.axes
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 100), (50, 0))
    marks = colours(axes)
    assert [line for _, line, _ in marks] == ["-", "--", "-"]
    assert [extents for *_, extents in marks] == [BOX[0], [0, 0, 5, 5], BOX[0]]
    assert marks[0][0] != marks[2][0], "predicted and truth boxes have different colours"
    left, right = axes.images[0].get_array()[25, [0, 99]]
    assert left.tolist() == [0, 0, 0], "the lowest value is transparent"
    assert right[0] > right[2], "the highest value is red"


@pytest.mark.parametrize("shape", [(50, 100), (50, 100, 3), (50, 100, 4), (3, 50, 100), (1, 50, 100)])
def test_an_image_may_have_its_channels_first_or_last(shape):
    assert drawing.as_grey(torch.rand(shape)).shape == (50, 100)
    assert locus.overlay(torch.rand(shape)).axes[0].get_xlim() == (0, 100)


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ({"image": np.zeros((2, 3, 4, 5))}, r"\(2, 3, 4, 5\)"),
        ({"image": np.full((4, 4), np.nan)}, "NaN"),
        ({"heat_map": np.zeros((2, 2, 2))}, r"\(2, 2, 2\)"),
        ({"boxes": [[0, 0, 5]]}, r"predicted: the boxes are .*\(1, 3\)"),
        ({"truth": [[90, 90, 95, 95]]}, "truth: 1 of 1 boxes"),
        ({"grid": "aligned"}, "grid"),
    ],
)
def test_an_overlay_refuses_what_it_cannot_draw(given, fact):
    with pytest.raises(BadValueError, match=fact):
        locus.overlay(**{"image": np.zeros((50, 60)), "heat_map": [[0, 1]], **given})


def test_maps_say_what_they_hold_and_show_a_panel_per_method(maps):
    assert repr(maps) == str(maps) == "Maps of 2 images, 1 findings (Nodule): cam 8×8, gradcam 8×8"
    figure = maps.show(1)
    assert [axes.get_title() for axes in figure.axes] == ["", "cam", "gradcam"]
    assert figure.get_suptitle() == f"Nodule, logit {maps.logits[1, 0]:.2f}"
    first = figure.axes[1].images[0].get_array()
    assert not np.array_equal(first, maps.show(0).axes[1].images[0].get_array())


def test_a_finding_or_an_image_that_was_not_explained_cannot_be_shown(maps):
    assert maps.show(finding="nodule").get_suptitle() == maps.show(finding=0).get_suptitle()
    with pytest.raises(UnknownNameError, match="'Mass'; known: Nodule"):
        maps.show(finding="Mass")
    with pytest.raises(BadValueError, match=r"image 2 .*use 0 to 1"):
        maps.show(2)


def test_a_printed_score_has_its_mean_first_then_the_findings():
    given = {("a", "Mass"): [[0, 0], [0, 1]], ("b", "Nodule"): [[0, 1], [0, 0]]}
    truth = {("a", "Mass"): [[50, 50, 90, 90]], ("b", "Nodule"): [[0, 50, 40, 90]]}
    lines = str(locus.score(given, truth, frames=(100, 100), grids="conventional", protocol="pointing")).splitlines()
    assert lines[0] == "mean: pointing 0.500, n = 2"
    assert lines[-2:] == ["Mass: pointing 1.000, n = 1", "Nodule: pointing 0.000, n = 1"]
