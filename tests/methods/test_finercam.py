"""Finer-CAM compared with torchcam, grad-cam and results by hand."""

import pytest
import torch

from locus import methods
from locus.core.errors import NotAvailableError
from locus.explaining.batch import explain


@pytest.mark.oracle
@pytest.mark.parametrize(("base", "package"), [("gradcam", "GradCAM"), ("layercam", "LayerCAM")])
@pytest.mark.parametrize("pool", ["AVG", "LSE", "PCAM"])
def test_maps_equal_those_of_torchcam_for_every_finding(make_model, images, pool, base, package):
    torchcam = pytest.importorskip("torchcam.methods")
    model, given = make_model(pool, classes=5), images[:2].requires_grad_()
    ours = next(iter(explain(model, given, [f"finercam:base={base}"]).values()))
    with torchcam.FinerCAM(model, model.extractor, base_method=getattr(torchcam, package)) as cam:
        for k in range(5):
            (theirs,) = cam.compute_cams(class_idx=k, scores=model(given), normalized=False)
            theirs = theirs.clamp(min=0)
            torch.testing.assert_close(ours[:, k], theirs, atol=3e-5 * theirs.abs().max().item(), rtol=0)


@pytest.mark.oracle
@pytest.mark.parametrize("pool", ["AVG", "PCAM"])
def test_maps_with_one_other_finding_equal_those_of_grad_cam(make_model, images, pool):
    package = pytest.importorskip("pytorch_grad_cam")
    model, given = make_model(pool, classes=5), images[:2]
    with package.FinerCAM(model, [model.extractor]) as cam:
        theirs = [cam(given.clone(), alpha=0.6, comparison_categories=[1], target_idx=k) for k in range(5)]
    assert sum(maps.max() > 0.9 for maps in theirs) >= 2  # not all maps are constant
    ours = resize(spanned(explain(model, given, ["finercam:count=1"])["finercam:count=1"]), given.shape[-2:])
    for k in range(5):
        torch.testing.assert_close(spanned(ours[:, k]), torch.from_numpy(theirs[k]), atol=1e-4, rtol=0)


def spanned(maps):
    """As the package scales its maps."""
    maps = maps - maps.amin((-2, -1), keepdim=True)
    return maps / (1e-7 + maps.amax((-2, -1), keepdim=True))


def resize(maps, size):
    return torch.nn.functional.interpolate(maps, size, mode="bilinear").clamp(min=0)


@pytest.mark.byhand
def test_the_nearest_findings_are_subtracted_equally_and_ties_go_to_the_earlier():
    contrast = methods.build("finercam:alpha=.5,count=2").contrast(torch.tensor([[0.0, 3.0, 1.0, 1.0]]))
    assert (4 * contrast[0]).tolist() == [[4, 0, -1, -1], [0, 4, -1, -1], [-1, 0, 4, -1], [-1, 0, -1, 4]]


@pytest.mark.byhand
def test_two_findings_with_one_channel_each_are_separated(on_features):
    """S = (mean A_1, mean A_2): what speaks for the first alone is A_1 less half of A_2, over two positions."""
    A = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])
    maps = explain(on_features("AVG", [[1, 0], [0, 1]]), A, ["finercam:alpha=.5"])["finercam:alpha=.5"]
    assert maps[0, 0, 0].tolist() == pytest.approx([0, 1.5])
    assert maps[0, 1, 0].tolist() == pytest.approx([0.75, 0])


def test_findings_that_are_not_requested_are_candidates_too(make_model, images):
    model = make_model("LSE", classes=5)
    whole, one = explain(model, images, ["finercam"])["finercam"], explain(model, images, ["finercam"], findings=[3])["finercam"]
    torch.testing.assert_close(one[:, 0], whole[:, 3])
    whole = explain(model, images, ["finercam"], layer="features.3")
    one = explain(model, images, ["finercam"], [3], layer="features.3", memory_gib=1e-9)
    torch.testing.assert_close(one["finercam"][:, 0], whole["finercam"][:, 3])


def test_a_model_with_one_finding_raises_a_clear_error(make_model, images):
    with pytest.raises(NotAvailableError, match="has only one"):
        explain(make_model("AVG", classes=1), images, ["finercam"])
