"""Closed-form gradients of all logits compared with autograd."""

import pytest
import torch

from locus.backbones import pooling as poolings
from locus.backbones.classifier import Head
from locus.backbones.wrapping import ForeignHead

WORDS = poolings.POOLINGS
CLOSED = ["AVG", "EXP", "LINEAR", "LSE", "MAX", "PCAM"]


def head(word, channels=5, findings=3, dtype=torch.float64):
    torch.manual_seed(0)
    pooling = poolings.build(word)
    return Head(pooling, torch.nn.Linear(pooling.groups * channels, findings), dropout=0.5).to(dtype).eval()


def maps(kind, dtype=torch.float64):
    signed = torch.randn(2, 5, 3, 4, dtype=dtype, generator=torch.Generator().manual_seed(1))
    return {"signed": signed, "rectified": signed.relu(), "zero": signed * 0, "huge": signed * 1e4, "tiny": signed * 1e-30}[kind]


def jacobian(model, A):
    leaf = A.clone().requires_grad_()
    with torch.enable_grad():
        logits = model(leaf)
        rows = [torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0] for k in range(logits.shape[1])]
    return torch.stack(rows, 1)


def dense(factors):
    w, D = factors
    return w[..., None, None] * D


def close(found, expected, tolerance):
    return float((found - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.mark.contract
@pytest.mark.parametrize("kind", ["signed", "rectified", "zero", "huge", "tiny"])
@pytest.mark.parametrize("word", WORDS)
def test_the_closed_form_is_the_gradient(word, kind):
    for dtype, tolerance in [(torch.float64, 1e-12), (torch.float32, 1e-6)]:
        model, A = head(word, dtype=dtype), maps(kind, dtype)
        factors = model.factors(A)
        if factors is not None:
            assert dense(factors).expand(2, 3, 5, 3, 4).isfinite().all()
            assert close(dense(factors), jacobian(model, A), tolerance)


@pytest.mark.contract
def test_the_poolings_of_one_group_have_a_closed_form():
    assert [word for word in WORDS if head(word).factors(maps("signed")) is not None] == CLOSED


@pytest.mark.contract
@pytest.mark.parametrize("word", CLOSED)
def test_the_closed_form_has_no_side_effects_and_is_float32_under_autocast(word):
    model, A = head(word), maps("signed")
    before = A.clone()
    with torch.no_grad():
        quiet = dense(model.factors(A))
        assert not torch.is_grad_enabled()
    w, D = model.factors(A.requires_grad_())
    assert torch.equal(quiet, w[..., None, None] * D)
    assert not w.requires_grad
    assert not D.requires_grad
    assert torch.equal(A, before)
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert {part.dtype for part in model.float().factors(A.bfloat16())} == {torch.float32}


@pytest.mark.parametrize("score", [200.0, -200.0])
def test_pcam_is_stable_for_large_logits(score):
    model, A = head("PCAM", channels=1, findings=1), torch.full((1, 1, 2, 2), score, dtype=torch.float64)
    A[..., 0, 0] *= 0.5
    with torch.no_grad():
        model.linear.weight.fill_(1.0)
    assert close(dense(model.factors(A)), jacobian(model, A), 1e-12)


def test_an_opaque_head_has_no_closed_form():
    model = ForeignHead(lambda A: A.mean((2, 3)), 5)
    assert model.factors(maps("signed")) is model.ablated_drops(maps("signed")) is None
