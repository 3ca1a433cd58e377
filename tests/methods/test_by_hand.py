"""Each method on two channels of two positions: A = (1, 3), (2, 0), w = (1, -1), so under AVG G = (.5, .5), (-.5, -.5)."""

import math

import pytest
import torch

from locus.explaining.batch import explain

pytestmark = pytest.mark.byhand
A = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])
ROOT2 = math.sqrt(2)


def map_of(method, model):
    return explain(model, A, [method])[method][0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("method", "pool", "expected"),
    [
        ("cam", "AVG", [-1, 3]),
        ("gradcam", "AVG", [0, 1.5]),  # -.5 rectified
        ("gradcam", "MAX", [0, 1.5]),  # the gradient of one position, averaged over two
        ("gradcampp", "AVG", [0.25, 0.75]),  # 2 * .5 / (2 + 4 * .5) for the channel with G > 0
        ("hirescam", "AVG", [-0.5, 1.5]),
        ("hirescam", "MAX", [-2, 3]),  # each channel speaks at its maximum alone
        ("layercam", "AVG", [0.5, 1.5]),
        ("layercam", "MAX", [0, 3]),
        ("xgradcam", "AVG", [0, 1.5]),  # as gradcam
        ("xgradcam", "MAX", [0, 2.25]),  # weights 3 / 4 and -2 / 2
        ("pcam", "PCAM", [1 / (1 + math.e), 1 / (1 + math.exp(-3))]),
        ("eigencam", "AVG", [ROOT2, -ROOT2]),  # sum_c A_c is flat: the first of the two largest is positive
        ("eigengradcam", "AVG", [-1 / ROOT2, 1 / ROOT2]),  # G * A = (.5, 1.5), (-1, 0)
        ("ablationcam", "AVG", [0, 6]),  # S = 2 - 1, drops 2 and -1
        ("ablationcam", "MAX", [0, 9]),  # S = 3 - 2, drops 3 and -2
    ],
)
def test_two_channels_of_two_positions(on_features, method, pool, expected):
    assert map_of(method, on_features(pool, [[1, -1]])) == pytest.approx(expected, abs=1e-6)
