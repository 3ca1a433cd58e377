"""Converted weights of other projects give the logits of those projects or raise clear errors."""

import re

import pytest
import timm
import torch
import torchvision

from locus import backbones
from locus.backbones.published import translate
from locus.core.errors import NotAvailableError
from tests.backbones.published import networks as nets

LAYERED = [pytest.param(name, marks=pytest.mark.slow) for name in ("mobilenetv3_small_100", "vit_tiny_patch16_224")]


def check(net, state, word, pooling="AVG", attention=None, images=None, atol=1e-5):
    """Check that our classifier with the converted ``state`` gives the logits of ``net``; return the conversion."""
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1)) if images is None else images
    with torch.no_grad():
        expected = net(images)
        model = backbones.build(word, expected.shape[1], pooling, attention).eval()
        found = translate(state, model)
        model.load_state_dict(found.state)
        assert expected.std(0).min() > 1e-4
        largest = max(1.0, float(expected.abs().max()))  # with random weights logits are in the thousands
        assert torch.allclose(model(images), expected, rtol=1e-4, atol=atol * largest)
    assert not found.heads
    assert not found.unexpected
    return found


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("torchvision", "resnet18"),
        ("torchvision", "densenet121"),
        pytest.param("torchvision", "resnet50", marks=pytest.mark.slow),
        pytest.param("torchvision", "efficientnet_b0", marks=pytest.mark.slow),
        pytest.param("torchvision", "efficientnet_b5", marks=pytest.mark.slow),  # has another epsilon
        ("timm", "resnet18"),
        ("timm", "tf_efficientnet_b0"),
    ],
)
def test_weights_of_torchvision_and_timm_give_their_logits(library, name):
    torch.manual_seed(0)
    build = {"torchvision": torchvision.models.get_model, "timm": timm.create_model}[library]
    net = nets.seen(build(name, num_classes=2 if name == "efficientnet_b5" else 4))
    check(net, net.state_dict(), name, atol=1e-4 if name == "efficientnet_b5" else 1e-5)


@pytest.mark.byhand
@pytest.mark.parametrize("name", ["convnext_atto", *LAYERED])
def test_a_timm_head_with_several_layers_is_not_converted(name):
    found = translate(timm.create_model(name, num_classes=4).state_dict(), backbones.build(name, 4))
    assert found.heads
    assert not found.unexpected
    assert "head.linear.weight" not in found.state


@pytest.mark.oracle
@pytest.mark.parametrize(
    "prefix",
    ["model.net.module.", "_orig_mod.", *(pytest.param(word, marks=pytest.mark.slow) for word in ("module.", "model.", "model.model."))],
)
def test_any_prefix_is_removed(prefix):
    """ihamdi's Lightning files begin with ``model.model.``, DataParallel's with ``module.``."""
    torch.manual_seed(0)
    net = nets.seen(torchvision.models.resnet18(num_classes=2))
    check(net, nets.wrapped(prefix)(net.state_dict()), "resnet18")


@pytest.mark.oracle
def test_old_names_of_densenet_and_missing_counters_are_supported():
    """torchvision's file of 2017 has these names."""
    torch.manual_seed(0)
    net = nets.seen(torchvision.models.densenet121(num_classes=14))
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name): value for name, value in net.state_dict().items()}
    old = {name: value for name, value in old.items() if not name.endswith("num_batches_tracked")}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    check(net, nets.wrapped("module.")(old), "densenet121")


@pytest.mark.oracle
@pytest.mark.parametrize(("pool", "word", "groups"), [("PCAM", "PCAM", 1), ("AVG_MAX_LSE", "AVG_MAX_LSE:gamma=.5", 3)])
def test_jfhealthcare_s_weights_give_its_logits(pool, word, groups):
    """Their PCAM divides by the sum of probabilities, ours is a softmax of log-probabilities."""
    torch.manual_seed(0)
    net = nets.seen(nets.Chexpert(pool, groups=groups))
    found = check(net, net.state_dict(), "densenet121", word)
    assert "backbone.classifier.weight" in found.idle
    assert "bn_0.running_mean" in found.idle
    assert any("spatial_attention" in name for name in found.idle)


@pytest.mark.oracle
def test_jfhealthcare_s_batch_norm_is_folded_into_the_layer():
    torch.manual_seed(0)
    net = nets.seen(nets.Chexpert("AVG", fc_bn=True))
    check(net, net.state_dict(), "densenet121", atol=1e-4)
    with pytest.raises(NotAvailableError, match=r"PCAM.*\(fc_bn\)"):
        translate(net.state_dict(), backbones.build("densenet121", 5, "PCAM"))


@pytest.mark.oracle
@pytest.mark.parametrize("word", ["SAM", pytest.param("CAM", marks=pytest.mark.slow)])
def test_jfhealthcare_s_attention_before_one_layer_is_converted(word):
    torch.manual_seed(0)
    net = nets.seen(nets.Chexpert("AVG", heads=(5,), attention=word))
    check(net, net.state_dict(), "densenet121", attention=word)


@pytest.mark.byhand
def test_attention_applied_once_per_finding_raises_an_error():
    net = nets.Chexpert("AVG", attention="CAM")
    with pytest.raises(NotAvailableError, match=r"CAM once per finding"):
        translate(net.state_dict(), backbones.build("densenet121", 5, "AVG", "CAM"))


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("kind", "word", "pooling"),
    [
        pytest.param("XRayResNet", "resnet18", "AVG", marks=pytest.mark.slow),
        ("XRayDense", "densenet121_signed", "LSE:gamma=.5"),
        ("XRayPcam", "resnet18", "PCAM"),
        ("XRayEfficient", "efficientnet-b0", "AVG"),
    ],
)
def test_x_ray_s_weights_give_its_logits(kind, word, pooling):
    torch.manual_seed(0)
    net = nets.seen(getattr(nets, kind)())
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) if kind == "XRayEfficient" else None
    found = check(net, net.state_dict(), word, pooling, images=images)
    if kind in ("XRayDense", "XRayEfficient"):
        assert [name for name in found.idle if name.startswith("img_model.")]


@pytest.mark.byhand
def test_weights_for_another_padding_raise_an_error_with_the_right_backbone():
    package = nets.XRayEfficient().state_dict()
    with pytest.raises(NotAvailableError, match=r"efficientnet-pytorch.*--backbone tf_efficientnet_b0"):
        translate(package, backbones.build("EfficientNet", 8))
    ours = torchvision.models.efficientnet_b0().state_dict()
    with pytest.raises(NotAvailableError, match=r"torchvision.*--backbone efficientnet_b0"):
        translate(ours, backbones.build("tf_efficientnet_b0", 1000))


@pytest.mark.oracle
def test_torchxrayvision_s_weights_give_its_logits_on_the_same_image():
    """It has one grey channel from -1024 to 1024; the options of the backbone convert ImageNet-normalised images."""
    xrv = pytest.importorskip("torchxrayvision")
    torch.manual_seed(0)
    grey = torch.randint(0, 256, (3, 1, 64, 64), generator=torch.Generator().manual_seed(1)).float()
    theirs = (2 * grey / 255 - 1) * 1024
    net = nets.seen(xrv.models.DenseNet(weights=None), theirs)
    state = {**net.state_dict(), "op_threshs": torch.full((18,), 0.1)}
    ours = (grey / 255 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    model = backbones.build("densenet121:mean=127.5,std=0.12451171875", 18).eval()
    model.load_state_dict(translate(state, model).state)
    with torch.no_grad():
        assert torch.allclose(model(ours), net(theirs), rtol=1e-3, atol=1e-3)
        plain = backbones.build("densenet121", 18).eval()
        plain.load_state_dict(model.state_dict())
        assert not torch.allclose(plain(ours), net(theirs), atol=0.1)
    assert model.grid((64, 64)) == plain.grid((64, 64))


@pytest.mark.byhand
def test_heads_of_vgg_and_squeezenet_are_recognised():
    """priyavrat-misra's VGG-16 has three layers after its maps, so only its extractor is converted."""
    net = torchvision.models.squeezenet1_1(num_classes=4)  # a ReLU follows its last convolution
    found = translate(net.state_dict(), backbones.build("squeezenet1_1", 4))
    assert (found.unexpected, found.heads) == ([], ["classifier.1.weight", "classifier.1.bias"])
    with torch.device("meta"):
        model = backbones.build("vgg16", 4)
    state = {f"features.{name.removeprefix('extractor.')}": value for name, value in model.state_dict().items() if "extractor" in name}
    head = {"classifier.0.weight": torch.zeros(9, 9), "classifier.6.weight": torch.zeros(4, 9), "classifier.6.bias": torch.zeros(4)}
    found = translate({**state, **head}, model)
    assert found.heads == list(head)
    assert not any(name.startswith("head.") for name in found.state)


@pytest.mark.parametrize("word", ["fc", "classifier"])
def test_a_linear_layer_before_a_sigmoid_is_the_head(word: str):
    """CheXNet's head is ``Sequential(Linear, Sigmoid)``."""
    name = {"fc": "resnet18", "classifier": "densenet121"}[word]
    net = torchvision.models.get_model(name, num_classes=4)
    setattr(net, word, torch.nn.Sequential(getattr(net, word), torch.nn.Sigmoid()))
    model = backbones.build(name, 4).eval()
    model.load_state_dict(translate(net.state_dict(), model).state)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(model(images).sigmoid(), net.eval()(images), atol=1e-5)


@pytest.mark.byhand
def test_unrecognised_weights_are_reported():
    torch.manual_seed(0)
    state = torchvision.models.resnet18(num_classes=4).state_dict()
    state["layer1.0.conv9.weight"] = state.pop("layer1.0.conv1.weight")
    model = backbones.build("resnet18", 4)
    found = translate(state, model)
    assert found.unexpected == ["layer1.0.conv9.weight"]
    assert set(model.state_dict()) - set(found.state) == {"extractor.net.layer1.0.conv1.weight"}
