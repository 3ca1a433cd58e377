"""Ablation-CAM: the closed form is the definition, and a logit of 0 divides nothing."""

import pytest
import torch

import backbones
import methods
from benchmark.explain import explain, gather
from methods import ablation
from methods.ablationcam import AblationCAM


def definition(model, A):
    """(N,C,h,w) -> (N,K,C) in float64, channel by channel, through the model's own head."""
    A, model = A.double(), model.double()
    S = model.head(A)
    drops = []
    for c in range(A.shape[1]):
        without = A.clone()
        without[:, c] = 0
        drops.append(S - model.head(without))
    return torch.stack(drops, -1).detach()


@pytest.mark.oracle
def test_the_drops_are_the_definition_under_every_pooling(model, images):
    evidence = gather(model, images)
    ours = ablation.drops(evidence)
    expected = definition(model, evidence.A)
    torch.testing.assert_close(ours.double(), expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


def test_the_head_evaluated_gives_the_closed_form(make_model, images, monkeypatch):
    evidence = gather(make_model("LSE"), images)
    monkeypatch.setattr(ablation, "VALUES", 5 * evidence.A[0].numel())  # parts of five channels, the last one smaller
    evaluated = ablation.by_definition(evidence)
    torch.testing.assert_close(evaluated, evidence.drops, atol=1e-5 * evaluated.abs().max().item(), rtol=0)


def test_a_head_of_unknown_inside_is_evaluated(images):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, 2, 1), torch.nn.ReLU())
    linear = torch.nn.Linear(6, 2)
    known = backbones.wrap(torch.nn.Sequential(network, linear), features="0", head="1")
    unknown = backbones.wrap(network, features=network, head=lambda A: linear(A.mean((-2, -1))), num_classes=2)
    assert gather(unknown, images).drops is None
    ours, expected = (explain(each, images, ["ablationcam"])["ablationcam"] for each in (unknown, known))
    torch.testing.assert_close(ours, expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


@pytest.mark.byhand
@pytest.mark.parametrize(("bias", "expected"), [(1.0, [0, 3]), (-2.0, [0, 0]), (-1.0, [0, 6]), (-1 + 1e-4, [0, 6]), (-1 + 2e-3, [0, 3000])])
def test_near_a_logit_of_zero_the_difference_itself_is_the_weight(on_features, bias, expected):
    """A = (1, 3), (2, 0), w = (1, -1): S = 1 + bias; the drops are 2 and -1, so the map is (0, 6) / S."""
    model = on_features("AVG", [[1, -1]], [bias])
    maps = explain(model, torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]]), ["ablationcam"])["ablationcam"]
    assert maps[0, 0, 0].tolist() == pytest.approx(expected, rel=1e-3)


def test_no_gradient_is_asked_for():
    assert "gradients" not in AblationCAM.needs
    assert not methods.get("ablationcam").is_fast()
