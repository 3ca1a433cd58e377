"""Poolings and attentions on synthetic maps with the widths of all families."""

import functools

import pytest
import torch
from torch import nn

from locus import backbones
from locus.backbones import extractors
from locus.backbones import pooling as layers
from locus.backbones import pooling as poolings
from locus.backbones.classifier import Classifier, Head
from locus.core.errors import BadValueError

ATTENTIONS = ["none", *layers.ATTENTIONS]
USUAL, OTHERS = (128, 512, 1024, 2048), (1280, 1408, 1536, 1792, 2304, 2560)
FEW = ["custom", "resnet18", "densenet121"]


def widths(names):
    """Return the widths of backbones, built on the meta device."""
    with torch.device("meta"):
        return {extractors.build(name, False).width for name in names}


@functools.cache
def attended(attention, width):
    """Return an attention, cached because initialising large ones is slow."""
    torch.manual_seed(0)
    return None if attention == "none" else layers.build_attention(attention, width).eval()


def classifier(width, pooling="AVG", attention="none", findings=3, dropout=0.0):
    """Return a classifier without extractor, for synthetic maps."""
    extra = attended(attention, width)
    torch.manual_seed(0)
    pooling = poolings.build(pooling)
    return Classifier(nn.Identity(), Head(pooling, nn.Linear(pooling.groups * width, findings), dropout), extra, channels=width).eval()


@pytest.mark.parametrize("names", [FEW, pytest.param(backbones.names(), marks=pytest.mark.slow)], ids=["few", "all"])
def test_tests_cover_the_widths_of_all_families(names):
    expected = set(USUAL + OTHERS) if len(names) > len(FEW) else {128, 512, 1024}
    assert widths(names) == expected


@pytest.mark.contract
@pytest.mark.parametrize("asked", [USUAL, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["usual", "others"])
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("pooling", poolings.POOLINGS)
def test_every_head_works_at_every_width(pooling, attention, asked):
    for width in asked:
        model = classifier(width, pooling, attention)
        maps = torch.randn(1, width, 3, 4)
        with torch.no_grad():
            A = model.features(maps)
            before, version = A.clone(), A._version
            logits = model.head(A)
        assert A.shape == maps.shape
        assert logits.shape == (1, 3)
        assert model.class_maps(A).shape == (1, 3, 3, 4)
        assert model.weight.shape == (3, width * poolings.POOLINGS[pooling].groups)
        assert model.bias.shape == (3,)
        assert torch.equal(A, before)
        assert A._version == version
        assert torch.equal(model(maps), logits)


@pytest.mark.contract
@pytest.mark.parametrize("pooling", poolings.POOLINGS)
def test_one_image_does_not_depend_on_its_batch(pooling):
    model, A = classifier(8, pooling), torch.randn(4, 8, 3, 3)
    assert torch.allclose(model.head(A)[2:3], model.head(A[2:3]), atol=1e-6)


@pytest.mark.contract
@pytest.mark.parametrize("pooling", poolings.POOLINGS)
def test_eval_mode_is_deterministic_with_dropout(pooling):
    """Pitfall: dropout active in evaluation: two runs differ."""
    model, A = classifier(64, pooling, dropout=0.5), torch.randn(2, 64, 3, 3)
    assert torch.equal(model.head(A), model.head(A))
    model.train()
    assert not torch.equal(model.head(A), model.head(A))


@pytest.mark.contract
@pytest.mark.parametrize("pooling", poolings.POOLINGS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_head_computes_in_float32_under_autocast(pooling, dtype):
    model, A = classifier(8, pooling), torch.randn(2, 8, 3, 3).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        logits, maps = model.head(A), model.class_maps(A)
    assert logits.dtype == maps.dtype == torch.float32
    assert torch.equal(logits, model.head(A.float()))


def test_with_pcam_the_probability_weighted_class_map_plus_bias_is_the_logit():
    model, A = classifier(8, "PCAM"), torch.randn(2, 8, 3, 3)
    maps = model.class_maps(A)
    p = (maps + model.bias[:, None, None]).sigmoid()
    weighted = (p * maps).sum((-2, -1)) / p.sum((-2, -1))
    assert torch.allclose(weighted + model.bias, model.head(A), atol=1e-6)


@pytest.mark.parametrize("pooling", ["AVG_MAX", "AVG_MAX_LSE"])
def test_weight_groups_add_up_in_class_maps(pooling):
    model, A = classifier(4, pooling), torch.randn(1, 4, 2, 2)
    total = sum(model.weight.split(4, dim=1))
    assert torch.allclose(model.class_maps(A), torch.einsum("kc,nchw->nkhw", total, A), atol=1e-6)


@pytest.mark.byhand
@pytest.mark.parametrize(("rate", "expected"), [(1.0, [[1.0, 0.0], [0.0, 2.0]]), (0.0, None)])
def test_adl_drops_the_most_attended_positions_or_weights_by_attention_in_training_only(rate, expected):
    """Mean over channels (1, 4, 3.2, 2), maximum 4: with threshold .8, 4 and 3.2 are dropped."""
    A = torch.tensor([[[[1.0, 5.0], [3.2, 2.0]], [[1.0, 3.0], [3.2, 2.0]]]])
    layer = poolings.ADL(2, rate=rate)
    weighted = A * A.mean(1, keepdim=True).sigmoid()
    found = layer.train()(A)
    assert torch.equal(found, weighted if expected is None else torch.tensor([[expected, expected]]))
    assert torch.equal(layer.eval()(A), A)


@pytest.mark.parametrize("options", ["rate=2", "threshold=-1", "rate=a"])
def test_adl_options_are_shares(options):
    with pytest.raises(BadValueError, match=options.split("=")[0]):
        poolings.build_attention(f"ADL:{options}", 4)
