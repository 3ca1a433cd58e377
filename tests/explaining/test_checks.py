"""Checks of model, images and findings before they are explained."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from locus import backbones, datasets
from locus.core.errors import BadValueError, UnknownNameError
from locus.core.names import canonical_finding
from locus.datasets.io import transforms
from locus.explaining.batch import explain

NAMES = ("Mass", "Nodule", "Pleural Effusion")
PLAIN = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def model(**attributes):
    return backbones.build("custom", num_classes=3, **attributes)


def images(side=64):
    return torch.randn(2, 3, side, side)


@pytest.mark.parametrize(
    ("batch", "named"),
    [
        (lambda: images().numpy(), "ndarray"),
        (lambda: images()[:, :1], "1 channel"),
        (lambda: torch.randint(256, (2, 3, 64, 64)).float(), "255"),
        (lambda: (images() * 50).abs().to(torch.uint8), "torch.uint8"),
        (lambda: images().double(), r"torch\.float64.*torch\.float32"),
        (lambda: torch.where(torch.arange(2)[:, None, None, None] == 1, torch.nan, images()), "1 of 2 images"),
        (lambda: images()[:0], r"\(0, 3, 64, 64\).*\(N,3,H,W\)"),
    ],
    ids=["an array", "one channel for three", "grey values", "uint8", "float64", "NaN", "none"],
)
def test_images_that_the_network_cannot_take_are_refused(batch, named):
    with pytest.raises(BadValueError, match=named):
        explain(model(), batch(), ["gradcam"])


def test_images_in_zero_to_one_are_explained_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        explain(model(), torch.rand(1, 3, 64, 64), ["gradcam"])
    assert "normalised?" in caplog.text


def test_an_unwrapped_module_is_refused_and_wrap_is_named():
    with pytest.raises(BadValueError, match=r"Sequential.*wrap"):
        explain(PLAIN, images(), ["gradcam"])


def test_other_image_sizes_require_any_size():
    trained = model(img_size=64)
    with pytest.raises(BadValueError, match=r"96x96.* 64"):
        explain(trained, images(96), ["gradcam"])
    assert explain(trained, images(96), ["gradcam"], any_size=True).grids["gradcam"].size == (96, 96)


def test_findings_are_asked_for_by_name_alias_or_position():
    named, batch = model(findings=NAMES), images()
    by_name = explain(named, batch, ["gradcam"], findings=["effusion", "mass"])["gradcam"]
    assert torch.equal(by_name, explain(named, batch, ["gradcam"], findings=[2, 0])["gradcam"])


@pytest.mark.parametrize(
    ("known", "findings", "error", "named"),
    [
        *((NAMES, findings, UnknownNameError, "Mass") for findings in ("Masss", ["Massive"], ["Mas"])),
        *(((), [finding], BadValueError, str(finding)) for finding in ("Mass", 1.7)),
    ],
)
def test_findings_that_the_model_does_not_know_are_refused(known, findings, error, named):
    with pytest.raises(error, match=named):
        explain(model(findings=known), images(), ["gradcam"], findings=findings)


def test_prepare_gives_the_images_that_training_sees():
    samples = list(datasets.load("phantom:train=6,val=2,test=2", split="test", img_size=96))
    prepared = model(img_size=96).prepare(samples)
    pixels = torch.from_numpy(np.stack([sample.image for sample in samples]))
    assert torch.equal(prepared, transforms.evaluation()(pixels))
    assert model(img_size=64).prepare(samples).shape == (len(samples), 3, 64, 64)
    with pytest.raises(BadValueError, match="img_size"):
        model().prepare([])


@pytest.mark.parametrize("known", [{"findings": "Mas"}, {"findings": NAMES[:2]}, {"findings": ["Mass", "Mass", "Nodule"]}, {"img_size": 0}])
def test_a_description_that_does_not_fit_is_refused(known):
    with pytest.raises(BadValueError):
        model(**known)


def test_wrapped_network_has_its_findings_and_size():
    wrapped = backbones.wrap(PLAIN, features="0", head="3", findings=NAMES, img_size=64)
    assert (wrapped.findings, wrapped.img_size) == (NAMES, 64)


def test_findings_are_matched_by_their_full_name():
    assert canonical_finding("pleural_thickening") == canonical_finding("Pleural Thickening")
    assert canonical_finding("Pleural effusion") == canonical_finding("Effusion")
    assert len({canonical_finding(name) for name in ("Mass", "Masss", "Massive", "Mass 2", "胸水", "肺炎")}) == 6
