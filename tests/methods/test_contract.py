"""Every registered method answers the same questions; a new file in methods/ is asked without a new test."""

import pytest
import torch

import methods
from benchmark.explain import explain
from methods.base import NEEDS

pytestmark = pytest.mark.contract
EVERY = methods.names()


@pytest.mark.parametrize("word", EVERY)
def test_a_method_states_its_needs_its_source_and_what_its_map_shows(word):
    part = methods.get(word)
    assert part.name == word
    assert part.needs <= NEEDS
    assert part.source
    assert len(part.__doc__) > 30


def test_maps_are_float32_of_shape_images_findings_positions_and_carry_their_grid(model, images):
    maps = explain(model, images, EVERY)
    assert set(maps) == set(EVERY)
    for word in EVERY:
        assert maps[word].shape == (4, 3, 12, 12)
        assert maps[word].dtype == torch.float32
        assert not maps[word].requires_grad
        assert maps.grids[word] == model.grid((96, 96))


def test_a_map_does_not_depend_on_the_batch_the_other_methods_or_the_other_findings(model, images):
    together = explain(model, images, EVERY)
    for word in EVERY:
        scale = together[word].abs().max()
        alone = explain(model, images[2:3], [word], findings=[1])[word]
        torch.testing.assert_close(alone[0, 0] / scale, together[word][2, 1] / scale, atol=1e-5, rtol=0)
    backwards = explain(model, images, EVERY[::-1])
    assert all(torch.equal(backwards[word], together[word]) for word in EVERY)


def test_findings_come_in_the_order_asked_for(model, images):
    whole, some = (explain(model, images, EVERY, findings=f) for f in (None, [2, 0]))
    assert all(torch.allclose(some[word], whole[word][:, [2, 0]], atol=1e-6) for word in EVERY)


def test_the_model_is_left_as_it_was(model, images):
    model.train()
    model.extractor.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules()]
    explain(model, images, EVERY)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules()] == hooks
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_maps_are_the_same_under_every_gradient_mode(model, images, context):
    plain = explain(model, images, EVERY)
    with context():
        inside = explain(model, images.clone(), EVERY)
    assert all(torch.equal(inside[word], plain[word]) for word in EVERY)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e4, -1e4])
def test_flat_and_extreme_images_give_finite_maps(model, value):
    maps = explain(model, torch.full((2, 3, 96, 96), value), EVERY)
    assert all(maps[word].isfinite().all() for word in EVERY)


def test_an_image_of_another_shape_or_finding_is_a_sentence(model, images):
    with pytest.raises(Exception, match=r"findings \[3\] are not among the model's outputs 0 … 2"):
        explain(model, images, ["cam"], findings=[3])
    with pytest.raises(Exception, match="unknown method 'gradcamp': did you mean 'gradcampp'"):
        explain(model, images, ["gradcamp"])
