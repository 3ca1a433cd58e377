"""Ablation-CAM: closed form, definition and logits near 0."""

import pytest
import torch

from locus import backbones
from locus.explaining.batch import collect_evidence, explain
from locus.methods import ablationcam


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
def test_closed_form_drops_equal_the_definition_under_every_pooling(model, images):
    evidence = collect_evidence(model, images)
    ours = ablationcam.ablation_drops(evidence)
    expected = definition(model, evidence.A)
    torch.testing.assert_close(ours.double(), expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


@pytest.mark.parametrize("maps", [1, 4 * 5, 10**6])
def test_evaluating_the_head_gives_the_closed_form_for_any_memory_budget(make_model, images, monkeypatch, maps):
    evidence = collect_evidence(make_model("LSE"), images)
    monkeypatch.setattr(type(evidence), "max_batch", lambda self, what: maps)  # five channels of four images
    evaluated = ablationcam.by_definition(evidence)
    torch.testing.assert_close(evaluated, evidence.ablation_drops, atol=1e-5 * evaluated.abs().max().item(), rtol=0)


def test_the_head_is_evaluated_within_the_memory_budget(on_features, monkeypatch):
    evidence, counted = collect_evidence(on_features("LSE", torch.ones(1, 40)), torch.rand(2, 40, 16, 16), memory_gib=0.001), []
    head = type(evidence).head
    monkeypatch.setattr(type(evidence), "head", lambda self, maps: counted.append(len(maps)) or head(self, maps))
    ablationcam.by_definition(evidence)
    assert sum(counted) == 2 * 40
    assert max(counted) <= max(2, evidence.max_batch("head"))
    assert len(counted) > 1


@pytest.mark.parametrize("layer", ["layer2", "layer2.0.conv1"])
def test_a_bypassed_layer_does_not_depend_on_the_batch(layer):
    torch.manual_seed(0)
    model, images = backbones.build("test_resnet", 2, "LSE").eval(), torch.randn(2, 3, 33, 33)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(part.weight)  # a fresh residual branch is multiplied by 0
    together, *alone = (ablationcam.ablation_drops(collect_evidence(model, some, layer=layer)) for some in (images, *images.split(1)))
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4 * together.abs().max().item(), rtol=0)


@pytest.mark.oracle
def test_drops_under_pcam_are_bitwise_independent_of_the_batch(make_model, images):
    evidence, alone = (collect_evidence(make_model("PCAM"), some) for some in (images, images[2:3]))
    head = make_model("PCAM").head
    assert torch.equal(head.ablated_drops(evidence.A)[2], head.ablated_drops(evidence.A[2:3])[0])
    assert evidence.ablation_drops.shape == (4, *alone.ablation_drops.shape[1:])


def test_an_opaque_head_is_evaluated(images):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, 2, 1), torch.nn.ReLU())
    pool, linear = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Linear(6, 2)
    known = backbones.wrap(torch.nn.Sequential(network, pool, torch.nn.Flatten(), linear), features="0", head="3")
    unknown = backbones.wrap(network, features=network, head=lambda A: linear(A.mean((-2, -1))), num_classes=2)
    assert collect_evidence(unknown, images).ablation_drops is None
    ours, expected = (explain(each, images, ["ablationcam"])["ablationcam"] for each in (unknown, known))
    torch.testing.assert_close(ours, expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


@pytest.mark.byhand
@pytest.mark.parametrize(("bias", "expected"), [(1.0, [0, 3]), (-2.0, [0, 0]), (-1.0, [0, 6]), (-1 + 1e-4, [0, 6]), (-1 + 2e-3, [0, 3000])])
def test_near_a_logit_of_zero_the_difference_itself_is_the_weight(on_features, bias, expected):
    """A = (1, 3), (2, 0), w = (1, -1): S = 1 + bias; the drops are 2 and -1, so the map is (0, 6) / S."""
    model = on_features("AVG", [[1, -1]], [bias])
    maps = explain(model, torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]]), ["ablationcam"])["ablationcam"]
    assert maps[0, 0, 0].tolist() == pytest.approx(expected, rel=1e-3)
