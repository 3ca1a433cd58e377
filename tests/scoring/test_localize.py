"""Conversion of maps to the frame: pictures, boxes, and mistakes of earlier projects."""

import re

import numpy as np
import pytest
import torch

from locus.core.errors import BadValueError
from locus.core.frames import Grid, area, box_coverage, iobb, iou
from locus.scoring.surface.bilinear import boxes, to_frame


def mean_iou_with_itself(truth: np.ndarray, side: int) -> float:
    """Return the IoU of each box with its area average on side × side, thresholded at .5."""
    return float(np.mean([_with_itself(box, side) for box in truth]))


def _with_itself(box: np.ndarray, side: int) -> float:
    mask = box_coverage(box[None], (1024, 1024), (side, side))
    result = boxes(mask, 0.5, (1024, 1024), "conventional")
    return float(iou(result, box[None]).max(initial=0))


def synthetic_boxes(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(np.log(60), np.log(500), (n, 2)))  # as in NIH: from small nodules to half a chest
    low = rng.uniform(0, 1024 - size)
    return np.concatenate([low, low + size], 1)


@pytest.mark.oracle
@pytest.mark.parametrize(("shape", "frame"), [((7, 7), (224, 224)), ((7, 5), (100, 301)), ((1, 4), (8, 8)), ((16, 16), (9, 9))])
def test_conventional_map_in_the_frame_equals_interpolate(shape, frame):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    torchs = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], frame, mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(to_frame(values, frame, "conventional"), torchs, atol=1e-5)


@pytest.mark.planted
@pytest.mark.parametrize(("side", "least"), [(224, 0.99), (320, 0.994)])
def test_no_integer_scale_truth_boxes_survive_the_change_of_frame(side, least):
    """Pitfall: an integer scale `1024 // size`: IoU of the truth with itself .58 at 224."""
    assert mean_iou_with_itself(synthetic_boxes(150), side) >= least


@pytest.mark.planted
def test_map_of_a_box_that_is_not_centred_is_neither_mirrored_nor_transposed_nor_shifted_as_by_a_crop():
    truth = np.array([[100.0, 600, 300, 1000]])
    result = boxes(box_coverage(truth, (1024, 1024), (128, 128)), 0.5, (1024, 1024), "conventional")
    np.testing.assert_allclose(result, truth, atol=4)


@pytest.mark.byhand
def test_iobb_arguments_are_not_swapped_a_whole_image_box_has_truth_over_image():
    """Pitfall: IoBB arguments swapped: divides by the truth."""
    truth = np.array([[100.0, 200, 400, 300]])
    whole = boxes([[1.0, 1.0], [1.0, 0.99]], 0.5, (1024, 1024), "conventional")
    assert whole.tolist() == [[0, 0, 1024, 1024]]
    assert iobb(whole, truth)[0, 0] == area(truth)[0] / 1024**2


@pytest.mark.byhand
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_map_with_nan_or_inf_is_refused(bad):
    sentence = r"NaN.*\(1, 0\)"
    for function in (lambda m: boxes(m, 0.5, (9, 9), "conventional"), lambda m: to_frame(m, (9, 9), "conventional")):
        with pytest.raises(BadValueError, match=sentence):
            function([[0, 1], [bad, 0]])


@pytest.mark.byhand
@pytest.mark.parametrize("grid", [None, "aligned", "bilinear", 32])
def test_missing_grid_is_an_error(grid):
    with pytest.raises(BadValueError, match=rf"{grid!r}.*Grid.*'conventional'"):
        boxes([[0, 1]], 0.5, (9, 9), grid)
    with pytest.raises(BadValueError, match=rf"{grid!r}.*Grid.*'conventional'"):
        to_frame([[0, 1]], (9, 9), grid)


@pytest.mark.byhand
@pytest.mark.parametrize("shape", [(3,), (1, 3, 3), (0, 4)])
def test_map_without_two_dimensions_is_refused(shape):
    with pytest.raises(BadValueError, match=rf"{re.escape(str(shape))}.*\(h, w\)"):
        boxes(np.ones(shape), 0.5, (9, 9), Grid((9, 9), (3, 3), (1, 1)))


def test_threshold_that_is_not_finite_is_refused():
    with pytest.raises(BadValueError, match=r"threshold.*nan"):
        boxes([[0, 1]], np.nan, (9, 9), "conventional")


@pytest.mark.byhand
def test_conventional_placement_shifts_the_box_of_a_resnet_by_half_a_cell_and_loses_the_hit():
    """A stride of 32 px and an offset of 0 put position 1 at 32.5; plain interpolation puts it at 48."""
    peak = np.zeros((3, 3), np.float32)
    peak[1, 1] = 1
    exact, shifted = (boxes(peak, 0.6, (96, 96), grid) for grid in (Grid((96, 96), (32, 32), (0, 0)), "conventional"))
    np.testing.assert_allclose(shifted - exact, 15.5, atol=1e-4)
    assert float(iou(shifted, exact).item()) < 0.3
