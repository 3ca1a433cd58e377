import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou

from locus.core.frames import area, clip, iobb, iou

corner = st.floats(0, 100, allow_nan=False, width=32)
box = st.tuples(corner, corner, st.floats(1, 50), st.floats(1, 50)).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
boxes = st.lists(box, min_size=1, max_size=5)


@pytest.mark.oracle
@given(boxes, boxes)
def test_iou_equals_that_of_torchvision(first, second):
    theirs = box_iou(torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64))
    np.testing.assert_allclose(iou(first, second), theirs.numpy(), atol=1e-12)


@pytest.mark.byhand
def test_iobb_divides_by_the_prediction_not_by_the_truth():
    """Pitfall: swapped arguments divide by the truth's area."""
    prediction, truth = [[0, 0, 10, 10]], [[0, 0, 10, 5]]
    assert iobb(prediction, truth).item() == 0.5
    assert iobb(truth, prediction).item() == 1.0
    assert iobb([[0, 0, 1024, 1024]], [[0, 0, 512, 256]]).item() == pytest.approx(1 / 8)


def test_an_undefined_overlap_is_nan_not_zero():
    assert np.isnan(iou([[3, 3, 3, 3]], [[5, 5, 5, 5]])).all()
    assert np.isnan(iobb([[3, 3, 3, 3]], [[0, 0, 9, 9]])).all()


def test_no_boxes_give_an_empty_matrix_of_the_right_shape():
    assert iou([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert iobb([[0, 0, 1, 1]], []).shape == (1, 0)


def test_a_box_past_the_edge_is_clipped():
    assert clip([[-5, 10, 300, 90]], (80, 200)).tolist() == [[0, 10, 200, 80]]


def test_an_inverted_box_has_no_area():
    assert area([[5, 5, 1, 9]]).tolist() == [0]
