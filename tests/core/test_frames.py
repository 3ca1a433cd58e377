import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from locus.core import frames
from locus.core.errors import BadValueError
from locus.core.frames import iou


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(7, 7), (4, 9), (1, 3)])
def test_a_conventional_grid_resamples_like_torch_interpolate(shape):
    values = np.random.default_rng(0).random(shape)
    ours = frames.resample(values, frames.conventional((224, 224), shape), (50, 71))
    theirs = torch.nn.functional.interpolate(torch.tensor(values)[None, None], size=(50, 71), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-6)


@pytest.mark.byhand
def test_the_grid_of_a_resnet_is_centred_on_the_pixels_0_32_64_and_15_5_off_the_conventional_one():
    y, x = frames.Grid((224, 224), (32, 32), (0, 0)).centres((7, 7), (224, 224))
    assert y.tolist() == x.tolist() == [0.5, 32.5, 64.5, 96.5, 128.5, 160.5, 192.5]
    assert frames.conventional((224, 224), (7, 7)).offset == (15.5, 15.5)


def test_a_shifted_grid_moves_the_map_by_as_many_pixels():
    spike = np.zeros((7, 7))
    spike[3, 3] = 1
    true = frames.resample(spike, frames.Grid((224, 224), (32, 32), (0, 0)), (224, 224))
    assert np.unravel_index(true.argmax(), true.shape) == (96, 96)


@pytest.mark.parametrize("word", ["aligned", None, 3, "conventionel"])
def test_a_map_without_a_grid_raises_an_error(word):
    sentence = f"grid.*{word!r}.*'conventional'"
    with pytest.raises(BadValueError, match=sentence):
        frames.resolve(word, (7, 7), (224, 224))


@given(st.integers(20, 2000), st.integers(20, 2000))
def test_rescaling_a_box_and_back_keeps_its_iou_with_itself(height, width):
    """Pitfall: an integer scale `1024 // size` moves the truth (IoU with itself .29 at 299)."""
    box = [[101.0, 57.5, 300.25, 410.0]]
    there = frames.scale_boxes(box, (1024, 1024), (height, width))
    back = frames.scale_boxes(there, (height, width), (1024, 1024))
    assert iou(back, box)[0, 0] == pytest.approx(1, abs=1e-9)


@given(st.integers(3, 40), st.integers(3, 40))
def test_the_coverage_of_a_box_sums_to_its_area(height, width):
    mask = frames.box_coverage([[10, 20, 70, 90]], (100, 100), (height, width))
    assert mask.sum() / mask.size == pytest.approx(60 * 70 / 100**2)


def test_an_image_shrinks_by_area_averaging():
    image = np.kron(np.array([[0, 200], [100, 40]], dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
    assert frames.resize_image(image, (2, 2)).tolist() == [[0, 200], [100, 40]]
