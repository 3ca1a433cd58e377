"""Losses: worked examples and unknown labels."""

import math

import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from benchmark.training import losses
from core.errors import BadValueError

NAN = math.nan


def loss_of(name, labels=((1.0, 0.0), (0.0, 1.0))):
    loss = losses.build(name)
    loss.prepare(torch.tensor(labels))
    return loss


@pytest.mark.contract
@pytest.mark.parametrize("name", losses.LOSSES)
def test_an_unknown_label_changes_neither_loss_nor_gradient(name):
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5]], requires_grad=True)
    other = torch.tensor([[0.3, -1.0], [-7.0, 9.0]], requires_grad=True)
    labels = torch.tensor([[1.0, 0.0], [NAN, NAN]])
    values = [loss_of(name)(x, labels) for x in (logits, other)]
    for value in values:
        value.backward()
    assert values[0].item() == values[1].item()
    assert torch.equal(logits.grad, other.grad)
    assert not logits.grad[1].any()


@pytest.mark.contract
@pytest.mark.parametrize("name", losses.LOSSES)
def test_batch_without_known_labels_has_no_loss(name):
    logits = torch.tensor([[0.3, -1.0]], requires_grad=True)
    value = loss_of(name)(logits, torch.full((1, 2), NAN))
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


@pytest.mark.contract
@pytest.mark.parametrize("name", losses.LOSSES)
def test_loss_is_finite_for_confident_errors(name):
    assert loss_of(name)(torch.tensor([[-200.0, 200.0]]), torch.tensor([[1.0, 0.0]])).isfinite()


@pytest.mark.byhand
def test_bce_is_the_mean_over_the_known_labels():
    value = loss_of("bce")(torch.tensor([[0.0, math.log(3)], [5.0, 0.0]]), torch.tensor([[1.0, 0.0], [NAN, 1.0]]))
    assert value.item() == pytest.approx((math.log(2) + math.log(4) + math.log(2)) / 3)


@pytest.mark.byhand
def test_weighted_bce_is_the_mean_of_the_positives_plus_the_mean_of_the_negatives():
    logits = torch.tensor([[0.0, 0.0], [math.log(3), -math.log(3)]])
    value = loss_of("weighted_bce")(logits, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert value.item() == pytest.approx(math.log(2) + (math.log(2) + math.log(4) + math.log(4 / 3)) / 3)


@pytest.mark.byhand
def test_pos_weight_counts_the_training_labels_and_leaves_a_finding_without_positives_alone():
    loss = loss_of("pos_weight", [[1.0, 0.0], [0.0, 0.0], [0.0, NAN], [0.0, 0.0]])
    assert loss.weight.tolist() == [3, 1]
    assert loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item() == pytest.approx((3 + 1) * math.log(2) / 2)


@pytest.mark.byhand
def test_ce_is_the_softmax_of_the_class_and_leaves_out_images_without_one():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    value = loss_of("ce")(logits, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert value.item() == pytest.approx(math.log(4 / 3))


@pytest.mark.byhand
def test_frequency_weighs_a_side_by_the_share_of_the_other():
    loss = loss_of("frequency", [[1.0, 0.0], [0.0, 0.0], [0.0, NAN], [0.0, 0.0]])
    assert loss.positive.tolist() == [0.25, 0.5]
    value = loss(torch.zeros(2, 2), torch.tensor([[1.0, 0.0], [0.0, NAN]]))
    assert value.item() == pytest.approx((0.75 + 0.5 + 0.25) * math.log(2) / 3)


@pytest.mark.byhand
def test_focal_with_gamma_0_is_bce():
    logits, labels = torch.tensor([[math.log(3), math.log(3)]]), torch.tensor([[1.0, 0.0]])
    value = losses.build("focal:gamma=2")(logits, labels)
    assert value.item() == pytest.approx((0.25**2 * math.log(4 / 3) + 0.75**2 * math.log(4)) / 2)
    assert losses.build("focal:gamma=0")(logits, labels).item() == pytest.approx(loss_of("bce")(logits, labels).item())


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 3.5])
def test_focal_is_torchvision_s_and_its_gradient_a_number_for_sure_answers_too(gamma):
    logits = torch.linspace(-8, 8, 33, dtype=torch.float64)[:, None].requires_grad_()
    labels = (torch.arange(33) % 2).double()[:, None]
    theirs = sigmoid_focal_loss(logits, labels, alpha=-1, gamma=gamma, reduction="mean")
    assert losses.build(f"focal:gamma={gamma}")(logits, labels).item() == pytest.approx(theirs.item(), rel=1e-5)
    sure = torch.tensor([[40.0], [-40.0]], requires_grad=True)
    losses.build(f"focal:gamma={gamma}")(sure, torch.tensor([[1.0], [0.0]])).backward()
    assert torch.allclose(sure.grad, torch.zeros(2, 1), atol=1e-6)


@pytest.mark.parametrize("word", ["focal:gamma=-1", "focal:gamma=much", "focal:alpha=1"])
def test_invalid_loss_option_lists_valid_ones(word):
    with pytest.raises(BadValueError, match=r"'focal'.*gamma"):
        losses.build(word)


@pytest.mark.byhand
def test_batch_pos_weight_balances_each_finding_and_leaves_out_those_without_a_positive():
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, NAN], [0.0, 0.0]])
    value = loss_of("batch_pos_weight")(torch.zeros(4, 2), labels)
    assert value.item() == pytest.approx((3 + 3) * math.log(2) / 7)
