"""Pixel methods compared with results by hand and captum."""

import pytest
import torch
from captum import attr

from locus import methods
from locus.explaining.batch import collect_evidence, run_method

EVERY = ["saliency", "integrated_gradients:steps=4", "smoothgrad:samples=3", "occlusion"]


@pytest.fixture
def model(make_model):
    return make_model("LSE")


@pytest.fixture
def two(images):
    return images[:2, :, :48, :40].contiguous()


def maps(model, images, word, **options):
    return run_method(methods.build(word), collect_evidence(model, images, **options)).maps


BY_HAND = {
    # (2 + 1) / 4 and 3 / 4, with or without noise
    "saliency": ([[0.0, 2.0], [-1.0, 1.0]], [[5.0, 3.0], [1.0, 2.0]], [0.75] * 4, [0.75] * 4),
    "smoothgrad:samples=3": ([[0.0, 2.0], [-1.0, 1.0]], [[5.0, 3.0], [1.0, 2.0]], [0.75] * 4, [0.75] * 4),
    # the magnitudes I_1 + I_2 / 2 and 3 I_2 / 2
    "integrated_gradients:steps=3": ([[1.0, -2.0]], [[4.0, 0.0]], [1.0 + 2.0, 2.0 + 0.0], [6.0, 0.0]),
    # a window of one of four pixels: the logit drops by the term of this pixel
    "occlusion:window=1,stride=1": ([[0.0] * 2] * 2, [[4.0, -8.0], [0.0, 4.0]], [1.0, 2.0, 0, 1.0], [3.0, 6.0, 0, 3.0]),
    # windows of two pixels one apart: drops (1 + 2), (2 + 4); the middle pixel is under both
    "occlusion:window=2,stride=1": ([[0.0] * 3] * 2, [[1.0, 2.0, 4.0]] * 2, [1.0, 1.5, 2.0] * 2, [3.0, 4.5, 6.0] * 2),
}


@pytest.mark.byhand
@pytest.mark.parametrize("word", BY_HAND)
def test_maps_of_a_linear_model_equal_those_by_hand(on_features, word):
    """S_1 = mean(2 I_1 - I_2), S_2 = mean(3 I_2), on images of two channels."""
    *image, first, second = BY_HAND[word]
    found = maps(on_features("AVG", [[2.0, -1.0], [0.0, 3.0]]), torch.tensor([image]), word)
    torch.testing.assert_close(found[0].flatten(1), torch.tensor([first, second]))


@pytest.mark.oracle
@pytest.mark.parametrize("pool", ["AVG", "PCAM", *(pytest.param(pool, marks=pytest.mark.slow) for pool in ("MAX", "LSE"))])
def test_every_method_equals_captum(make_model, two, pool):
    model = make_model(pool)
    for k in (0, 2):
        for word, theirs in captum_maps(model, two, k).items():
            scale = model(two).abs().max() if word == "occlusion" else theirs.max()  # a difference of logits is as exact as they are
            error = (maps(model, two, word)[:, k] - theirs).abs().max() / scale
            assert error < 1e-5, f"{word}: relative error {error}"


def captum_maps(model, images, k):
    """Return method -> (N,H,W) map by captum."""
    window = {"sliding_window_shapes": (3, 10, 10), "strides": (3, 5, 5), "target": k, "baselines": 0}
    found = {
        "saliency": attr.Saliency(model).attribute(images.clone(), target=k).sum(1),
        "integrated_gradients:steps=6": attr.IntegratedGradients(model).attribute(images, target=k, n_steps=6).abs().sum(1),
        "occlusion": attr.Occlusion(model).attribute(images, **window).abs().mean(1),
    }
    with torch.random.fork_rng():
        found["smoothgrad:samples=3"] = torch.cat([noisy(model, image, k) for image in images.split(1)])
    return {word: theirs.detach() for word, theirs in found.items()}


def noisy(model, image, k):
    torch.manual_seed(0)
    tunnel, deviation = attr.NoiseTunnel(attr.Saliency(model)), 0.15 * (image.max() - image.min()).item()
    return tunnel.attribute(image, nt_samples=3, stdevs=deviation, target=k, abs=False).abs().sum(1)


def test_without_noise_smoothgrad_equals_saliency(model, two):
    torch.testing.assert_close(maps(model, two, "smoothgrad:level=1e-12,samples=2"), maps(model, two, "saliency"))


def test_with_default_steps_the_sum_is_accurate_to_a_few_percent(model, images):
    """Completeness: before magnitudes are taken, all pixels sum to S(I) - S(0)."""
    evidence = collect_evidence(model, images[:2])
    method = methods.build("integrated_gradients")
    totals = torch.stack([method.attribute(evidence, image).sum((1, 2, 3)) for image in images[:2].split(1)])
    differences = evidence.logits - collect_evidence(model, torch.zeros(1, 3, 96, 96)).logits
    assert ((totals - differences).abs().median() / differences.abs().median()) < 0.03


@pytest.mark.parametrize("findings", [[0], None])
@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("occlusion", 2 * (1 + 7 * 9)),  # the plain image and 7 x 9 windows of 10 pixels, 5 apart, on 40 x 48
        ("saliency", 2),
        ("integrated_gradients:steps=4", 2 * 4),
        ("smoothgrad:samples=3", 2 * 3),
    ],
)
def test_one_forward_pass_serves_all_findings(model, two, batch_sizes, word, count, findings):
    evidence = collect_evidence(model, two, findings=findings)
    assert sum(batch_sizes(model, lambda: run_method(methods.build(word), evidence))) == count


@pytest.mark.parametrize("word", EVERY)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_image_that_is_not_finite_gets_maps_of_nan_and_others_do_not(model, two, word, value):
    spoilt = two.clone()
    spoilt[0, 1, 20, 30] = value
    found = maps(model, spoilt, word)
    assert found[0].isnan().all()
    assert torch.equal(found[1], maps(model, two, word)[1])


LIMITS = {
    "locus.methods._pixelwise.MAX_BATCH_PIXELS": 2 * 48 * 40,
    "locus.explaining.evidence.PooledEvidence.max_batch": lambda self, what: {"backward": 2}[what],
}


@pytest.mark.parametrize("word", ["smoothgrad:samples=5", "integrated_gradients:steps=5"])
@pytest.mark.parametrize("limit", LIMITS)
def test_backward_passes_respect_memory_budget_and_pixel_limit(model, monkeypatch, two, batch_sizes, limit, word):
    whole = maps(model, two[:1], word)
    monkeypatch.setattr(limit, LIMITS[limit])
    assert max(batch_sizes(model, lambda: maps(model, two[:1], word))) == 2
    torch.testing.assert_close(maps(model, two[:1], word), whole, atol=1e-5 * whole.max().item(), rtol=0)
