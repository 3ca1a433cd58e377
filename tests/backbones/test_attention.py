import pytest
import torch

from locus import backbones
from locus.backbones.pooling import SteadyBatchNorm, build_attention

WORDS = ["CAM", "FPA", "SAM"]


def attention(word, channels=16):
    torch.manual_seed(0)
    return build_attention(word, channels)


@pytest.mark.contract
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 3), (4, 4), (5, 7), (7, 7), (9, 16)])
@pytest.mark.parametrize("training", [True, False])
def test_an_attention_keeps_its_input_and_the_shape_at_any_size_with_batch_one(word, shape, training):
    A = torch.randn(1, 16, *shape, requires_grad=True)
    before = A.detach().clone()
    out = attention(word).train(training)(A)
    assert torch.equal(A, before)
    assert out.shape == A.shape
    assert out.isfinite().all()
    out.sum().backward()
    assert A.grad.isfinite().all()


@pytest.mark.contract
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", ["custom", "resnet18", "squeezenet1_1"])
def test_attention_is_applied_exactly_once(name, word):
    """Pitfall: attention applied C times, or never."""
    calls = []
    model = backbones.build(name, 2, attention_map=word).eval()
    model.attention.register_forward_hook(lambda *_: calls.append(1))
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        model(images)
        assert len(calls) == 1
        model.head(A := model.features(images))
        assert len(calls) == 2
        assert torch.equal(A, model.attention(model.extractor(images)))


@pytest.mark.planted
def test_fpa_has_finite_gradients_under_bfloat16_autocast_on_a_small_map():
    fpa = attention("FPA", channels=512)
    largest = []
    for seed in range(30):
        maps = torch.randn(8, 512, 3, 3, generator=torch.Generator().manual_seed(seed)).relu().bfloat16()
        fpa.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            out = fpa(maps.requires_grad_())
        out.square().mean().backward()
        largest += [float(parameter.grad.abs().max()) for parameter in fpa.parameters()]
    assert torch.tensor(largest).isfinite().all()
    assert max(largest) < 1e6
    assert out.dtype == torch.float32


def test_position_attention_starts_as_identity():
    A = torch.randn(2, 16, 4, 4)
    assert torch.equal(attention("SAM")(A), A)


@pytest.mark.byhand
def test_position_attention_of_equal_positions_adds_their_mean_value():
    sam = attention("SAM")
    with torch.no_grad():
        sam.factor.fill_(1.0)
        sam.query.weight.zero_()
        sam.query.bias.zero_()
    A = torch.randn(1, 16, 3, 3)
    mean = sam.value(A).mean((-2, -1), keepdim=True)
    assert torch.allclose(sam(A), A + mean, atol=1e-6)


@pytest.mark.byhand
def test_channel_attention_narrows_by_two_and_scales_whole_channels_by_less_than_one():
    assert attention("CAM").gate[0].out_features == 8
    A = torch.rand(1, 16, 3, 3) + 0.1
    share = attention("CAM")(A) / A
    assert torch.allclose(share, share[..., :1, :1].expand_as(share))
    assert ((share > 0) & (share < 1)).all()


def test_fpa_weights_do_not_depend_on_the_channel():
    fpa, A = attention("FPA").eval(), torch.randn(1, 16, 7, 7)
    weight = (fpa(A) - fpa.everywhere(A.mean((-2, -1), keepdim=True))) / fpa.middle(A)
    seen = weight.masked_fill(fpa.middle(A) <= 1e-3, float("nan"))
    assert torch.allclose(seen.nan_to_num(), torch.where(seen.isnan(), 0, fpa._pyramid(A)), atol=1e-4)


def test_batch_norm_of_a_single_value_uses_the_running_statistics():
    norm = SteadyBatchNorm(2)
    norm.running_mean.fill_(1.0)
    out = norm.train()(torch.full((1, 2, 1, 1), 3.0))
    assert torch.allclose(out, torch.full((1, 2, 1, 1), 2.0), atol=1e-4)
    assert norm.running_mean.tolist() == [1, 1]
