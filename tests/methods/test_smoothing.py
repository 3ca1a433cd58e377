"""The option ``smooth``: averaged views and principal axes."""

import pytest
import torch

from locus import backbones
from locus.core.errors import NotAvailableError
from locus.core.frames import Grid
from locus.explaining.batch import explain
from locus.methods.smoothing import _mirrored


def map_of(word, model, images, **options):
    return next(iter(explain(model, images, [word], **options).values()))


@pytest.mark.planted
def test_the_map_of_a_view_is_mapped_back_by_its_grid():
    """The map of a ramp must not move when views are averaged."""
    net, place = torch.nn.AvgPool2d(8, 8), {"channels": 3, "grid": lambda size: Grid(size, (8, 8), (6.5, 6.5))}
    model = backbones.wrap(net, lambda x: net(x[..., 3:, 3:]), lambda A: A.mean((2, 3)), **place)
    ramp = torch.arange(80.0).expand(1, 3, 80, 80)  # brightness is the column: so is the map, wherever a view looks
    smooth, plain = (map_of(word, model, ramp) for word in ("hirescam:smooth=aug", "hirescam"))
    counts = [((side - 3) // 8) ** 2 for side in (72, 80, 88)]
    expected = plain * counts[1] * sum(1 / count for count in counts) / 3  # a mean over fewer positions weighs each more
    torch.testing.assert_close(smooth[..., 1:-1], expected[..., 1:-1], rtol=0.02, atol=0)


@pytest.mark.byhand
def test_a_mirrored_grid_is_reversed():
    assert _mirrored(Grid((8, 10), (2, 4), (0, 0)), 3) == Grid((8, 10), (2, 4), (0, 1))


def test_the_averaged_map_of_a_symmetric_image_is_symmetric(make_model, images):
    model = make_model("LSE")
    mirrored = images + images.flip(-1)
    maps = map_of("gradcam:smooth=aug", model, mirrored)
    torch.testing.assert_close(maps, maps.flip(-1), atol=1e-4 * maps.max().item(), rtol=0)
    torch.testing.assert_close(map_of("gradcam:smooth=aug", model, mirrored, findings=[2])[:, 0], maps[:, 2])


def test_views_of_a_transformer_have_multiples_of_its_patch_size(images):
    model = backbones.build("test_vit", 3).eval()
    assert map_of("rollout:smooth=aug", model, images[:1]).shape == (1, 3, 6, 6)


def test_smooth_aug_is_not_available_for_a_fixed_image_size():
    torch.manual_seed(0)
    fixed = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 4, stride=4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 64, 2))
    with pytest.raises(NotAvailableError, match="does not accept images of"):
        map_of("gradcam:smooth=aug", backbones.wrap(fixed, img_size=32), torch.randn(1, 3, 32, 32))


@pytest.mark.oracle
@pytest.mark.parametrize(("word", "package"), [("gradcam", "GradCAM"), ("layercam", "LayerCAM"), ("xgradcam", "XGradCAM")])
def test_smooth_eigen_equals_the_grad_cam_package(make_model, images, word, package):
    grad_cam = pytest.importorskip("pytorch_grad_cam")
    model, given = make_model("LSE"), images[:2]
    ours = map_of(f"{word}:smooth=eigen", model, given)[:, 0]
    with getattr(grad_cam, package)(model=model, target_layers=[model.extractor]) as cam:
        cam.activations_and_grads(given)[:, 0].sum().backward()
        A, G = cam.activations_and_grads.activations[0].numpy(), cam.activations_and_grads.gradients[0].numpy()
        theirs = torch.from_numpy(cam.get_cam_image(given, model.extractor, [None] * 2, A, G, True))
    signed = ((ours * theirs).sum((1, 2), keepdim=True).sign() * theirs).clamp(min=0)
    torch.testing.assert_close(ours, signed, atol=1e-4 * theirs.abs().max().item(), rtol=0)


def test_smooth_eigen_of_hirescam_is_eigengradcam_and_needs_channels(make_model, images):
    model = make_model("PCAM")
    torch.testing.assert_close(map_of("hirescam:smooth=eigen", model, images), map_of("eigengradcam", model, images))
    with pytest.raises(NotAvailableError, match="'occlusion'"):
        map_of("occlusion:smooth=eigen", model, images)
