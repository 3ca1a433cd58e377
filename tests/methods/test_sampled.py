"""RISE, Recipro-CAM and KPCA-CAM compared with results by hand and other packages."""

import pytest
import torch

from locus import backbones, methods
from locus.core.frames import Grid
from locus.explaining.batch import explain
from locus.methods.rise import Masks


@pytest.mark.byhand
def test_recipro_keeps_a_position_with_a_gaussian_of_its_neighbours(on_features):
    """S = mean of A + 5: a position has weight 1/4, its neighbours 1/8, corners 1/16."""
    A = torch.tensor([[[[16.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 32.0]]]])
    maps = explain(on_features("AVG", [[1.0]], [5.0]), A, ["recipro"])["recipro"][0, 0] * 9
    torch.testing.assert_close(maps, torch.tensor([[4.0, 2.0, 0.0], [2.0, 1.0 + 2.0, 4.0], [0.0, 4.0, 8.0]]))


@pytest.mark.oracle
def test_kpcacam_equals_the_grad_cam_package_up_to_the_sign(make_model, images):
    package = pytest.importorskip("pytorch_grad_cam.utils.svd_on_activations")
    model = make_model("AVG")
    with torch.no_grad():
        A = model.features(images)
    for kernel in ("sigmoid", "rbf"):
        ours = next(iter(explain(model, images, [f"kpcacam:kernel={kernel}"]).values()))[:, 1]
        theirs = torch.from_numpy(package.get_2d_projection_kernel(A.double().numpy(), kernel))
        theirs = theirs * (ours * theirs).sum((-2, -1), keepdim=True).sign()
        torch.testing.assert_close(ours, theirs, atol=1e-5 * theirs.abs().max().item(), rtol=0)


def test_the_linear_kernel_is_eigencam(make_model, images):
    maps = explain(make_model("AVG"), images, ["kpcacam:kernel=linear", "eigencam"])
    torch.testing.assert_close(maps["kpcacam:kernel=linear"], maps["eigencam"], atol=1e-4, rtol=1e-4)


class Weighing(torch.nn.Module):
    """A model that is linear in the pixels."""

    def __init__(self, weights):
        super().__init__()
        self.weights = torch.nn.Parameter(weights)

    def forward(self, images):
        return (images[:, :1] * self.weights).sum((2, 3)) + 100  # a constant that no mask changes


@pytest.mark.planted
def test_rise_finds_the_weights_of_a_linear_model():
    """In the limit the map is cov(S, M) / p = sum of weights * cov(M, M') / p, exactly that of the masks themselves."""
    weights = torch.zeros(28, 28)
    weights[4:8, 16:20] = 1.0
    net = Weighing(weights)
    grid = Grid((28, 28), (1, 1), (0, 0))
    model = backbones.wrap(net, lambda x: x, net, channels=3, grid=lambda size: grid)
    method = methods.build("rise:count=4000")
    images = torch.ones(1, 3, 28, 28)
    (shown,) = explain(model, images, [method])["rise"][0]
    masks = Masks(methods.build("rise:count=20000,seed=7"), images)(slice(0, 20000))[:, 0]
    score = (masks * weights).sum((1, 2))
    expected = torch.einsum("m,mhw->hw", score - score.mean(), masks) / (20000 * 0.5)
    assert (shown - expected).abs().max() < 0.1 * expected.max()
    y, x = divmod(int(shown.argmax()), 28)
    assert (4 <= y < 8, 16 <= x < 20) == (True, True)


def test_masks_are_in_the_unit_interval_and_half_open_on_average():
    masks = Masks(methods.build("rise:count=400,cells=4"), torch.zeros(1, 3, 20, 32))
    first = masks(slice(100, 400))
    assert first.shape == (300, 1, 20, 32)
    assert (first.min() >= 0, first.max() <= 1 + 1e-6) == (True, True)
    assert float(first.mean()) == pytest.approx(0.5, abs=0.03)
    assert torch.equal(masks(slice(100, 103)), first[:3])
