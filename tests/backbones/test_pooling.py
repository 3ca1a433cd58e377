import math

import pytest
import torch

from locus.backbones import pooling as poolings
from locus.backbones.classifier import Head
from locus.core.errors import BadValueError

WORDS = poolings.POOLINGS
VALUES = [1.0, 2.0, 3.0, -2.0]


def pool(word, A):
    return poolings.build(word)(torch.as_tensor(A, dtype=torch.float64))


def head(word, channels=3, findings=2):
    pooling = poolings.build(word)
    return Head(pooling, torch.nn.Linear(pooling.groups * channels, findings)).double()


@pytest.mark.contract
def test_the_eight_poolings_are_found():
    assert sorted(["AVG", "MAX", "LSE", "PCAM", "EXP", "LINEAR", "AVG_MAX", "AVG_MAX_LSE"]) == [*WORDS]


@pytest.mark.contract
@pytest.mark.parametrize("word", WORDS)
def test_a_pooling_of_a_constant_positive_map_is_that_constant(word):
    model = head(word)
    A = torch.full((1, 3, 4, 5), 1.5, dtype=torch.float64)
    assert torch.allclose(model(A), model.class_maps(A)[..., 0, 0] + model.bias)


@pytest.mark.contract
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("scale", [1e4, -1e4, 0.0, 1e-30])
def test_extreme_maps_give_finite_logits_and_gradients(word, scale):
    torch.manual_seed(0)
    A = (torch.rand(2, 3, 4, 4) * scale).requires_grad_()
    logits = head(word).float()(A)
    (G,) = torch.autograd.grad(logits.sum(), A)
    assert logits.isfinite().all()
    assert G.isfinite().all()


@pytest.mark.contract
@pytest.mark.parametrize("word", WORDS)
def test_the_gradient_of_the_head_is_right(word):
    torch.manual_seed(0)
    A = torch.randn(1, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(head(word), A)


@pytest.mark.contract
@pytest.mark.parametrize("word", [word for word in WORDS if word not in ("PCAM", "LINEAR")])
def test_the_pooling_weights_sum_to_one(word):
    A = torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    pooled = poolings.build(word)(A)
    moved = poolings.build(word)(A + 0.25)  # adding a constant adds it: the map from A to its pooled value has unit weight
    assert torch.allclose(moved - pooled, torch.full_like(pooled, 0.25))


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("AVG", 1),
        ("MAX", 3),
        ("LSE:gamma=1", math.log(sum(map(math.exp, VALUES)) / 4)),
        ("EXP", sum(math.exp(value) * value for value in VALUES) / sum(map(math.exp, VALUES))),
        ("LINEAR", (1 + 4 + 9) / 6),
    ],
)
def test_a_small_map_is_pooled_as_on_paper(word, expected):
    assert pool(word, [[[VALUES]]]).item() == pytest.approx(expected)


@pytest.mark.byhand
def test_linear_pooling_of_a_map_without_positive_values_is_zero():
    assert pool("LINEAR", [[[[-1.0, 0.0]]]]).item() == 0


@pytest.mark.byhand
def test_pcam_weights_positions_by_the_probability_of_the_finding():
    model = head("PCAM", channels=1, findings=2)
    with torch.no_grad():
        model.linear.weight.copy_(torch.tensor([[1.0], [-2.0]]))
        model.linear.bias.copy_(torch.tensor([0.5, 0.0]))
    values = [0.0, 3.0]

    def expected(w, b):
        p = [1 / (1 + math.exp(-(w * value + b))) for value in values]
        return w * sum(q * value for q, value in zip(p, values, strict=True)) / sum(p) + b

    logits = model(torch.tensor(values, dtype=torch.float64).reshape(1, 1, 1, 2))
    assert logits[0].tolist() == pytest.approx([expected(1, 0.5), expected(-2, 0)])


@pytest.mark.byhand
def test_pcam_weights_of_very_low_scores_sum_to_one():
    A = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]], dtype=torch.float64)
    assert poolings.build("PCAM")(A, torch.full_like(A, -1e4)).item() == pytest.approx(3)


def test_lse_goes_from_the_mean_to_the_maximum():
    A = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(pool("LSE:gamma=1e-6", A), pool("AVG", A), atol=1e-4)
    assert torch.allclose(pool("LSE:gamma=1e5", A), pool("MAX", A), atol=1e-4)
    assert (pool("LSE:gamma=2", A) < pool("LSE:gamma=5", A)).all()
    assert poolings.build("LSE").gamma == poolings.build("AVG_MAX_LSE").lse.gamma == 10


@pytest.mark.parametrize("word", ["LSE:gamma=0", "LSE:gamma=-1", "AVG_MAX_LSE:gamma=many"])
def test_an_invalid_gamma_raises_a_clear_error(word):
    with pytest.raises(BadValueError, match=rf"LSE.*{word.split(':')[1]}\b.* 0 "):
        poolings.build(word)


@pytest.mark.parametrize("word", ["MAX", "AVG_MAX"])
@pytest.mark.parametrize("rows", [[[0.0, 2.0], [2.0, 2.0]], [[0.0] * 16] * 16], ids=["small", "flat"])
def test_the_first_of_equal_maxima_takes_the_whole_gradient(word, rows):
    A = torch.tensor([[rows]], requires_grad=True)
    (G,) = torch.autograd.grad(poolings.build(word)(A)[0, -1], A)
    assert G.nonzero().tolist() == [[0, 0, 0, rows[0].index(max(rows[0]))]]
    assert G.sum() == 1
