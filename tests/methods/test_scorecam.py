"""Score-CAM compared with results by hand and the grad-cam package; forward passes and memory."""

import numpy as np
import pytest
import torch

from locus import methods
from locus.explaining._passes import forward_batch_size
from locus.explaining.batch import collect_evidence, run_method
from locus.methods.scorecam import flat, on_the_grid

E = np.e
SLOW = [pytest.param("custom", pool, marks=pytest.mark.slow) for pool in ("MAX", "LSE")]
SLOW += [pytest.param(name, "LSE", marks=pytest.mark.slow) for name in ("resnet18", "densenet121", "efficientnet_b0")]


@pytest.fixture
def model(make_model):
    return make_model("LSE")


@pytest.fixture
def two(images):
    return images[:2, :, :48, :56].contiguous()


def scorecam(model, images, word="scorecam", **options):
    return run_method(methods.build(word), collect_evidence(model, images, **options)).maps


@pytest.mark.byhand
@pytest.mark.parametrize("value", [0.0, 5.0, -7.3])
def test_channels_equal_the_result_by_hand_and_a_constant_one_has_no_forward_pass(on_features, batch_sizes, value):
    """A = I = (0 2), (4 2); seen through the first channel the logit is 1, through the second 0: weights e and 1."""
    image = torch.tensor([[0.0, 2.0], [4.0, 2.0], [value, value]]).view(1, 3, 1, 2)
    expected = (E * image[0, 0] + image[0, 1]) / (E + 1)
    model = on_features("AVG", [[1.0, 0.0, 0.0]])
    evidence = collect_evidence(model, image)
    torch.testing.assert_close(run_method(methods.build("scorecam"), evidence).maps[0, 0], expected)
    assert sum(batch_sizes(model, lambda: run_method(methods.build("scorecam"), evidence))) == 2


def test_an_image_whose_channels_are_all_constant_has_a_map_of_zeros(on_features):
    model, plain = on_features("AVG", [[1.0, -1.0]]), torch.ones(1, 2, 3, 3)
    assert scorecam(model, plain).eq(0).all()
    beside = torch.cat([plain, torch.arange(18.0).view(1, 2, 3, 3)])
    torch.testing.assert_close(scorecam(model, beside)[1:], scorecam(model, beside[1:]))


def test_rounding_errors_do_not_count_as_structure():
    A = torch.full((1, 3, 2, 2), 3.0)
    A[0, 1, 0, 0] += 5e-7
    A[0, 2, 0, 0] += 1e-4
    assert flat(A).tolist() == [[True, True, False]]


def test_masks_are_placed_by_the_grid(make_model, two):
    """A mask is 1 at the pixel of the channel's highest position, 8 i + 3.5 for this network."""
    evidence = collect_evidence(make_model("AVG"), two)
    channels = torch.zeros(1, *evidence.A.shape[-2:])
    channels[0, 2, 5] = 4.0
    draw, _ = on_the_grid(evidence)
    mask = draw(channels)[0]
    assert mask.shape == (48, 56)
    assert mask[19:21, 43:45].flatten().tolist() == pytest.approx([(1 - 1 / 16) ** 2] * 4)
    assert mask.min() == 0


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "pool"), [("custom", "AVG"), ("custom", "PCAM"), *SLOW])
def test_masks_of_grad_cam_give_the_maps_of_that_package(make_model, two, name, pool):
    model = make_model(pool, name=name)
    ours = scorecam(model, two, "scorecam:masks=grad-cam")
    for k in (0, 2):
        theirs = package_map(model, two, k)
        np.testing.assert_allclose(ours[:, k].numpy(), np.maximum(theirs, 0), atol=1e-5 * np.abs(theirs).max())


def test_one_forward_pass_serves_all_findings(model, two, batch_sizes):
    evidences = [collect_evidence(model, two, findings=findings) for findings in ([1], None)]
    method = methods.build("scorecam")
    alone, all_three = (sum(batch_sizes(model, lambda e=e: run_method(method, e))) for e in evidences)
    assert alone == all_three <= 2 * 128


@pytest.mark.parametrize("memory_gib", [0.002, 0.01, 0.2])
def test_masked_images_exist_one_batch_at_a_time_and_its_size_changes_no_map(model, two, batch_sizes, memory_gib):
    evidence, whole = collect_evidence(model, two, memory_gib=memory_gib), scorecam(model, two)
    sizes = batch_sizes(model, lambda: run_method(methods.build("scorecam"), evidence))
    assert max(sizes) == min(sum(sizes), forward_batch_size(two, memory_gib))
    parts = run_method(methods.build("scorecam"), evidence).maps
    torch.testing.assert_close(parts, whole, atol=1e-5 * whole.max().item(), rtol=0)


def test_channels_of_an_earlier_level_are_masks_on_that_levels_grid(model, two):
    evidence = collect_evidence(model, two, layer=model.layer_names[1])
    found = run_method(methods.build("scorecam"), evidence)
    assert found.maps.shape == (2, 3, 12, 14)
    assert found.grid == evidence.grid != collect_evidence(model, two).grid
    assert found.maps.max() > 0


def test_an_image_of_nan_does_not_get_a_map_of_zeros(model, two):
    two[0] = torch.nan
    assert scorecam(model, two)[0].isnan().all()


def package_map(model, images, finding):
    """Return the package's weights times its activations, unscaled, (N,h,w)."""
    cams = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with cams.ScoreCAM(model=model, target_layers=[model.extractor]) as cam:
        cam.activations_and_grads(images)
        A = cam.activations_and_grads.activations[0].numpy()
        weights = cam.get_cam_weights(images, model.extractor, [ClassifierOutputTarget(finding)] * len(images), A, None)
    return (weights[..., None, None] * A).sum(1)
