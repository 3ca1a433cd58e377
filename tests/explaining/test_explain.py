import logging
import shutil

import pytest
import torch

from locus import backbones
from locus.core.errors import BadValueError, LocusError, NotAvailableError
from locus.core.frames import conventional
from locus.explaining import _passes
from locus.explaining.batch import ModifiedInputError, collect_evidence, explain, prepare_model, run_method, run_methods
from locus.explaining.evidence import PooledEvidence
from locus.methods.base import GradientMethod, Method
from locus.methods.gradcam import GradCAM
from locus.methods.pcam import PCAM

IMAGE = 64 * 64 * _passes.FLOATS_PER_PIXEL * 4 / _passes.GIB  # the memory of an image in a forward pass
FAST = ["cam", "gradcam", "gradcampp", "xgradcam", "hirescam", "layercam", "eigencam"]


def small(pool="AVG", classes=5, name="custom"):
    torch.manual_seed(0)
    model = backbones.build(name, classes, pool)
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 64, 64))
        model.weight.normal_()
    return model.eval()


@pytest.fixture
def images():
    return torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def hooked(model, seen, look=len):
    """Within the block, ``seen`` gets what ``look`` says of each output of the extractor: the number of images."""
    return model.extractor.register_forward_hook(lambda part, inputs, out: seen.append(look(out)))


def close(found, expected, tolerance=1e-5):
    for word in expected:
        scale = expected[word].abs().max().clamp(min=1e-30)
        torch.testing.assert_close(found[word] / scale, expected[word] / scale, atol=tolerance, rtol=0)


class Seen(GradientMethod):
    """Writes down the shape of every G that it is given."""

    name = "seen"

    def __init__(self):
        self.shapes = []

    def weights(self, A, G):
        self.shapes.append(tuple(G.shape[:2]))
        return G.mean((-2, -1), keepdim=True)


def test_the_gradient_is_the_one_of_autograd_for_the_findings_asked_for(images):
    model = small("LSE")
    evidence = collect_evidence(model, images, findings=[3, 0])
    A = evidence.A.clone().requires_grad_()
    logits = model.head(A)
    for k, finding in enumerate([3, 0]):
        (G,) = torch.autograd.grad(logits[:, finding].sum(), A, retain_graph=True)
        torch.testing.assert_close(evidence.G[:, k], G)


@pytest.mark.parametrize("pool", ["LSE", "PCAM", "AVG_MAX"])
def test_a_small_budget_explains_in_parts_and_changes_no_map(images, pool):
    model, tiny = small(pool), 1e-9
    whole, seen = explain(model, images, FAST), Seen()
    close(explain(model, images, [*FAST, seen], memory_gib=tiny), whole)
    assert set(seen.shapes) == {(1, 1)}  # one image and one finding at a time
    assert len(seen.shapes) == 5 * 5


def test_the_gradients_of_a_part_are_made_once_for_all_methods(images, monkeypatch):
    calls, plain = [], PooledEvidence.gradients.func
    monkeypatch.setattr(PooledEvidence.gradients, "func", lambda self: calls.append(len(self.findings)) or plain(self))
    explain(small(), images, FAST)
    assert calls == [5]


def test_a_budget_bounds_the_images_of_a_forward_pass(images):
    model, seen = small(), []
    model.grid((64, 64))  # found by a run of its own, once
    with hooked(model, seen):
        whole = explain(model, images, ["cam"])
        parts = explain(model, images, ["cam"], memory_gib=2 * IMAGE)
    assert seen == [5, 2, 2, 1]
    close(parts, whole)
    with pytest.raises(BadValueError, match=r"memory_gib.*\b0\b.*\b0\b"):
        explain(model, images, ["cam"], memory_gib=0)


def test_autocast_applies_only_to_the_forward_pass(images):
    model, types = small("PCAM"), []
    with torch.autocast("cpu", dtype=torch.bfloat16), hooked(model, types, lambda out: out.dtype):
        short = explain(model, images, FAST)
    assert types[0] == torch.bfloat16
    assert all(short[word].dtype == torch.float32 for word in FAST)
    close(short, explain(model, images, FAST), tolerance=0.1)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_gives_the_same_maps(images):
    model = small("LSE")
    plain = explain(model, images, FAST)
    close(explain(prepare_model(model, channels_last=False, compiled=True), images, FAST), plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_the_maps_of_the_cpu(images):
    model = small("LSE")
    plain = explain(model, images, FAST)
    present = explain(model.cuda(), images.cuda(), FAST)
    close({word: result.cpu() for word, result in present.items()}, plain, tolerance=1e-4)


def test_unsupported_method_does_not_stop_others(images):
    result = run_methods({"pcam": PCAM(), "gradcam": GradCAM()}, collect_evidence(small("AVG"), images))
    assert isinstance(result["pcam"], NotAvailableError)
    assert result["gradcam"].maps.shape == (5, 5, 8, 8)
    with pytest.raises(NotAvailableError, match=r"'pcam'.*PCAM.*AVG"):
        run_method(PCAM(), collect_evidence(small("AVG"), images))


class Sweeping(Method):
    """The logits of images that are all grey, as 1 x 1 maps."""

    name = "sweeping"
    needs = frozenset({"forwards"})

    def grid(self, evidence):
        return conventional(evidence.grid.size, (1, 1))

    def maps(self, evidence):
        grey = torch.zeros_like(evidence.images[0])
        logits = evidence.batched_forward(40, lambda part: grey.expand(part.stop - part.start, -1, -1, -1))
        return logits.mean(0)[None, :, None, None].expand(len(evidence.images), -1, -1, -1)


def test_batched_forward_respects_the_budget(images):
    model, seen = small(), []
    model.grid((64, 64))
    with hooked(model, seen):
        small_steps = explain(model, images, [Sweeping()], memory_gib=3 * IMAGE)
    assert max(seen) == 3
    close(explain(model, images, [Sweeping()]), small_steps)


@pytest.mark.parametrize("layer", ["layer1", "layer3"])
def test_an_earlier_layer_has_the_gradients_of_autograd_and_its_own_grid(layer):
    model, images = small("AVG", name="resnet18"), torch.randn(2, 3, 64, 64)
    evidence = collect_evidence(model, images, findings=[4, 1], layer=layer)
    activations, part = [], next(part for name, part in model.extractor.named_modules() if name.endswith(layer))
    with part.register_forward_hook(lambda part, inputs, out: activations.append(out)):
        logits = model(images)
    for k, finding in enumerate([4, 1]):
        (G,) = torch.autograd.grad(logits[:, finding].sum(), activations[0], retain_graph=True)
        torch.testing.assert_close(evidence.G[:, k], G)
    assert evidence.grid.stride == {"layer1": (4, 4), "layer3": (16, 16)}[layer]
    torch.testing.assert_close(evidence.head(evidence.A), evidence.logits)


def test_class_maps_are_not_available_at_an_earlier_layer():
    model, images = small("PCAM", name="resnet18"), torch.randn(2, 3, 64, 64)
    for word, facts in (("cam", "layer 'layer2'"), ("pcam", "'pcam'.*PCAM")):
        with pytest.raises(NotAvailableError, match=facts):
            explain(model, images, [word], layer="layer2")


def test_inference_mode_does_not_change_maps(images):
    model = small("LSE")
    plain = explain(model, images, FAST)
    with torch.inference_mode():
        close(explain(model, images.clone(), FAST), plain)


class MineError(Exception):
    """No error of Python's own."""


class Broken(GradientMethod):
    """Adds what does not fit, or raises ``error``."""

    name = "broken"

    def __init__(self, error=None):
        self.error = error

    def weights(self, A, G):
        if self.error:
            raise self.error
        return G + torch.ones(7)


class Activations(GradientMethod):
    """Weights without a finding: the same for all."""

    name = "activations"

    def weights(self, A, G):
        return A


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (None, r"RuntimeError: .* \(.*/test_explain\.py, line \d+\); .* `python -m benchmark\.check method broken`$"),
        (MineError("out of luck"), "MineError: out of luck"),
    ],
)
def test_failing_method_is_reported_with_name_and_line_and_does_not_stop_others(images, error, facts):
    with pytest.raises(LocusError, match=f"^the method 'broken' failed: {facts}"):
        explain(small(), images, [Broken(error)])
    result = run_methods({"broken": Broken(error), "gradcam": GradCAM()}, collect_evidence(small(), images))
    assert not isinstance(result["broken"], NotAvailableError)
    assert "failed" in str(result["broken"])
    assert result["gradcam"].maps.shape == (5, 5, 8, 8)


class Writes(GradientMethod):
    """Method that changes one of its inputs."""

    name = "writes"

    def __init__(self, word, write):
        self.word, self.write = word, write

    def maps(self, evidence):
        self.write(getattr(evidence, self.word))
        return super().maps(evidence)

    def weights(self, A, G):
        return G


@pytest.mark.parametrize("layer", [None, "features.1"])
@pytest.mark.parametrize("write", [lambda x: x.mul_(0), lambda x: x.data.mul_(0), lambda x: x.numpy().fill(7)])
@pytest.mark.parametrize("word", ["images", "A", "G", "logits"])
def test_a_method_that_modifies_its_inputs_raises_an_error(images, word, write, layer):
    with pytest.raises(ModifiedInputError, match=rf"'writes' modifies its inputs in place \(.*\b{word}\b.*\)"):
        explain(small(), images.clone(), [Writes(word, write), "gradcam"], layer=layer)


def test_head_without_vmap_uses_one_pass_per_finding(images):
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, A):
            return 2 * A

        @staticmethod
        def backward(ctx, gradient):
            return 2 * torch.from_numpy(gradient.numpy())

    net = small()
    model = backbones.wrap(net.extractor, features=net.features, head=lambda A: net.head(Doubled.apply(A)))
    torch.testing.assert_close(collect_evidence(model, images).G, 2 * collect_evidence(net, images).G)


def test_in_place_head_does_not_change_the_evidence(images):
    net = small()
    model = backbones.wrap(net.extractor, features=net.features, head=lambda A: net.head(A.sub_(0.01).relu_()))
    evidence = collect_evidence(model, images)
    before = evidence.A.clone()
    assert evidence.G.abs().max() > 0
    assert torch.equal(evidence.A, before)
    torch.testing.assert_close(evidence.A, net.features(images))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_of_another_precision_gives_float32_maps(images, dtype):
    net = small().to(dtype)
    maps = explain(net, images[:1].to(dtype), ["gradcam", "hirescam", "scorecam"])
    assert all(result.dtype == torch.float32 and result.isfinite().all() for result in maps.values())


def test_duplicate_method_names_are_an_error_and_groups_are_expanded(images):
    with pytest.raises(BadValueError, match=r"'broken'.*test_explain.*test_explain"):
        explain(small(), images, [Broken(), Broken()])
    assert set(FAST) < set(explain(small("PCAM"), images, "fast"))


def test_group_leaves_out_unsupported_methods_with_a_reason(images, caplog):
    with caplog.at_level(logging.INFO):
        maps = explain(small("AVG"), images, "fast")
    assert ("pcam" in maps, list(maps.absent)) == (False, ["pcam"])
    assert maps.absent["pcam"] in caplog.text
    with pytest.raises(NotAvailableError, match=r"'pcam'.*AVG"):
        explain(small("AVG"), images, ["pcam"])


def test_an_unsupported_method_does_not_lose_the_maps_of_the_others(images, caplog):
    maps = explain(small("AVG"), images, ["cam", "pcam"])
    assert ([*maps], [*maps.absent]) == (["cam"], ["pcam"])
    assert maps.absent["pcam"] in caplog.text


def test_a_small_budget_records_an_earlier_layer_image_by_image_and_changes_no_map():
    model, images, seen = small("LSE", name="resnet18"), torch.randn(3, 3, 64, 64), []
    words = ["gradcam", "gradcampp", "layercam", "hirescam", "xgradcam", "eigencam"]
    whole = explain(model, images, words, layer="layer3")
    with hooked(model, seen):
        parts = explain(model, images, words, layer="layer3", memory_gib=1e-9)
    assert set(seen) == {1}
    close(parts, whole)


def test_other_layer_is_computed_once():
    model, images, seen = small("LSE", name="resnet18"), torch.randn(3, 3, 64, 64), []
    for layer in ("layer3", None):
        model.grid((64, 64), layer)
    with hooked(model, seen):
        explain(model, images, ["layercam:layers=layer3"])
    assert seen == [3, 3]


def test_weights_without_a_finding_dimension_give_equal_maps(images):
    maps = explain(small(), images, [Activations()])["activations"]
    assert maps.shape == (5, 5, 8, 8)
    assert torch.equal(maps[:, 0], maps[:, 4])
