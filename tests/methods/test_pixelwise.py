"""Pixel methods compared with results by hand and captum."""

import importlib
import sys

import pytest
import torch
from captum import attr

import methods
from benchmark.explain import collect_evidence, run_method
from core.errors import BadValueError, NotAvailableError
from tests.warm import in_a_child

GRADIENTS = ["saliency", "integrated_gradients:steps=4", "smoothgrad:samples=3"]
EVERY = [*GRADIENTS, "occlusion"]


@pytest.fixture
def model(make_model):
    return make_model("LSE")


@pytest.fixture
def two(images):
    return images[:2, :, :48, :40].contiguous()


@pytest.fixture
def linear(on_features):
    """S_1 = mean(2 I_1 - I_2), S_2 = mean(3 I_2), on images of two channels."""
    return on_features("AVG", [[2.0, -1.0], [0.0, 3.0]])


def maps(model, images, word, **options):
    return run_method(methods.build(word), collect_evidence(model, images, **options)).maps


@pytest.mark.byhand
@pytest.mark.parametrize("word", ["saliency", "smoothgrad:samples=3"])
def test_the_saliency_of_a_linear_model_is_its_weights(linear, word):
    """Four pixels: (2 + 1) / 4 and 3 / 4, with or without noise."""
    found = maps(linear, torch.randn(1, 2, 2, 2), word)
    torch.testing.assert_close(found, torch.full((1, 2, 2, 2), 0.75))


@pytest.mark.byhand
def test_integrated_gradients_of_a_linear_model_equal_its_terms(linear):
    """S_1 = (2 I_1 - I_2) / 2 on two pixels: the magnitudes are I_1 and I_2 / 2."""
    image = torch.tensor([[1.0, -2.0], [4.0, 0.0]]).view(1, 2, 1, 2)
    found = maps(linear, image, "integrated_gradients:steps=3")
    torch.testing.assert_close(found[0, :, 0], torch.tensor([[1.0 + 2.0, 2.0 + 0.0], [6.0, 0.0]]))


@pytest.mark.byhand
def test_occlusion_equals_the_result_by_hand(linear):
    """A window of one of four pixels: the logit drops by the term of this pixel, 3 I_2 / 4."""
    image = torch.tensor([[0.0, 0.0, 0.0, 0.0], [4.0, -8.0, 0.0, 4.0]]).view(1, 2, 2, 2)
    found = maps(linear, image, "occlusion:window=1,stride=1")
    torch.testing.assert_close(found[0, 1], torch.tensor([[3.0, 6.0], [0.0, 3.0]]))


@pytest.mark.byhand
def test_pixels_under_several_windows_get_the_mean(linear):
    """Windows of two pixels one apart on (1 2 4): drops (1+2), (2+4); the middle pixel is under both."""
    image = torch.tensor([[0.0, 0.0, 0.0] * 2, [1.0, 2.0, 4.0] * 2]).view(1, 2, 2, 3)
    found = maps(linear, image, "occlusion:window=2,stride=1")
    torch.testing.assert_close(found[0, 1, 0], torch.tensor([3.0, 4.5, 6.0]))


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


@pytest.mark.parametrize("word", EVERY)
def test_maps_have_the_size_and_the_grid_of_the_input(model, two, word):
    evidence = collect_evidence(model, two)
    found = run_method(methods.build(word), evidence)
    assert found.maps.shape == (2, 3, 48, 40)
    assert found.maps.min() >= 0
    assert found.grid == evidence.pixel_grid


@pytest.mark.parametrize("word", EVERY)
def test_a_map_is_the_same_bit_for_bit_in_every_batch(model, two, word):
    together = maps(model, two, word)
    assert torch.equal(maps(model, two[1:], word, findings=[2])[0, 0], together[1, 2])
    assert torch.equal(maps(model, two.flip(0), word).flip(0), together)


@pytest.mark.parametrize("word", EVERY)
def test_the_layer_does_not_affect_pixel_methods(model, two, word):
    assert torch.equal(maps(model, two, word, layer=model.layer_names[0]), maps(model, two, word))


@pytest.mark.parametrize("word", EVERY)
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_maps_are_computed_within_no_grad(model, two, word, context):
    with context():
        inside = maps(model, two.clone(), word)
        assert not inside.is_inference()
    assert torch.equal(inside, maps(model, two, word))


@pytest.mark.parametrize("word", EVERY)
def test_model_images_and_random_state_are_unchanged(model, two, word):
    model.train()
    weights, numbers, pixels = [p.clone() for p in model.parameters()], torch.get_rng_state(), two.clone()
    maps(model, two, word)
    assert all(torch.equal(p, w) and p.grad is None and p.requires_grad for p, w in zip(model.parameters(), weights, strict=True))
    assert torch.equal(torch.get_rng_state(), numbers)
    assert torch.equal(two, pixels)
    assert not two.requires_grad
    assert model.training


def test_another_seed_gives_other_noise(model, two):
    assert not torch.equal(maps(model, two, "smoothgrad:samples=3,seed=1"), maps(model, two, "smoothgrad:samples=3"))


def test_without_noise_smoothgrad_equals_saliency(model, two):
    torch.testing.assert_close(maps(model, two, "smoothgrad:level=1e-12,samples=2"), maps(model, two, "saliency"))


def test_with_default_steps_the_sum_is_accurate_to_a_few_percent(model, images):
    """Completeness: before magnitudes are taken, all pixels sum to S(I) - S(0)."""
    evidence = collect_evidence(model, images[:2])
    method = methods.build("integrated_gradients")
    totals = torch.stack([method.attribute(evidence, image).sum((1, 2, 3)) for image in images[:2].split(1)])
    differences = evidence.logits - collect_evidence(model, torch.zeros(1, 3, 96, 96)).logits
    assert ((totals - differences).abs().median() / differences.abs().median()) < 0.03


def test_a_saturated_logit_keeps_its_saliency(model, two):
    """Pitfall: the gradient of the sigmoid vanishes for confident predictions."""
    before = maps(model, two, "saliency")
    with torch.no_grad():
        model.bias.fill_(200.0)
    torch.testing.assert_close(maps(model, two, "saliency"), before)


@pytest.mark.parametrize("findings", [[0], None])
def test_one_forward_pass_per_window_serves_all_findings(model, two, findings):
    """The plain image and 7 x 9 windows of 10 pixels, 5 apart, on 40 x 48, for each of two images."""
    evidence, counted = collect_evidence(model, two, findings=findings), []
    hook = model.extractor.register_forward_pre_hook(lambda _, given: counted.append(len(given[0])))
    run_method(methods.build("occlusion"), evidence)
    hook.remove()
    assert sum(counted) == 2 * (1 + 7 * 9)


@pytest.mark.parametrize(("word", "count"), [("saliency", 2), ("integrated_gradients:steps=4", 2 * 4), ("smoothgrad:samples=3", 2 * 3)])
def test_one_forward_pass_serves_the_gradients_of_all_findings(model, two, word, count):
    evidence, counted = collect_evidence(model, two), []
    hook = model.extractor.register_forward_pre_hook(lambda _, given: counted.append(len(given[0])))
    run_method(methods.build(word), evidence)
    hook.remove()
    assert sum(counted) == count


@pytest.mark.parametrize("word", EVERY)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_image_that_is_not_finite_gets_maps_of_nan_and_others_do_not(model, two, word, value):
    spoilt = two.clone()
    spoilt[0, 1, 20, 30] = value
    found = maps(model, spoilt, word)
    assert found[0].isnan().all()
    assert torch.equal(found[1], maps(model, two, word)[1])


def few_pixels(monkeypatch):
    monkeypatch.setattr("methods.pixelwise.PIXELS", 2 * 48 * 40)


def small_budget(monkeypatch):
    monkeypatch.setattr("benchmark.explain.layer.PooledEvidence.max_batch", lambda self, what: {"backward": 2}[what])


@pytest.mark.parametrize("set_budget", [few_pixels, small_budget])
def test_backward_passes_respect_the_memory_budget_and_the_pixel_limit(model, monkeypatch, two, set_budget):
    set_budget(monkeypatch)
    counted = []
    hook = model.extractor.register_forward_pre_hook(lambda _, given: counted.append(len(given[0])))
    found = [maps(model, two[:1], word) for word in ("smoothgrad:samples=5", "integrated_gradients:steps=5")]
    hook.remove()
    assert max(counted) == 2
    monkeypatch.undo()
    for word, small in zip(("smoothgrad:samples=5", "integrated_gradients:steps=5"), found, strict=True):
        torch.testing.assert_close(small, maps(model, two[:1], word), atol=1e-5 * small.max().item(), rtol=0)


@pytest.mark.parametrize(
    ("word", "facts"),
    [
        ("occlusion:window=41", r"window=41,stride=20.*\b40\b"),
        ("occlusion:window=4,stride=5", r"window=4,stride=5.*\b40\b"),
        ("occlusion:window=0", r"window.*\b0\b.*\b1\b"),
        ("occlusion:stride=a", r"stride.*'a'.*\b1\b"),
        ("integrated_gradients:steps=0", r"steps.*\b0\b.*\b1\b"),
        ("occlusion:window=True", r"window.*True.*\b1\b"),
        ("smoothgrad:samples=0", r"samples.*\b0\b.*\b1\b"),
        ("smoothgrad:level=0", r"level.*\b0\b.*\b0\b"),
        ("smoothgrad:level=a", r"level.*'a'.*\b0\b"),
        ("smoothgrad:seed=-1", r"seed.*-1.*\b0\b"),
    ],
)
def test_an_invalid_option_raises_a_clear_error(model, two, word, facts):
    with pytest.raises(BadValueError, match=facts):
        maps(model, two, word)


def without_captum():
    """Return the methods that cannot be built without captum."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("captum", "methods")]:
        del sys.modules[name]
    sys.modules["captum"] = sys.modules["captum.attr"] = None
    anew, refused = importlib.import_module("methods"), []
    with pytest.raises(NotAvailableError, match="cannot be imported"):
        refused.append(anew.build("occlusion"))
    return refused, anew.build("integrated_gradients").name


@pytest.mark.structure
def test_without_captum_only_occlusion_is_not_available():
    assert in_a_child(without_captum) == ([], "integrated_gradients")
