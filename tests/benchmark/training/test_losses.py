"""Losses: worked examples and unknown labels."""

import math

import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from locus.benchmark.training import losses
from locus.core.errors import BadValueError

NAN = math.nan


def loss_of(name, labels=((1.0, 0.0), (0.0, 1.0))):
    loss = losses.build(name)
    loss.prepare(torch.tensor(labels))
    return loss


@pytest.mark.contract
@pytest.mark.parametrize("name", losses.LOSSES)
def test_an_unknown_label_changes_neither_loss_nor_gradient_and_alone_gives_none(name):
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5]], requires_grad=True)
    other = torch.tensor([[0.3, -1.0], [-7.0, 9.0]], requires_grad=True)
    values = [loss_of(name)(x, torch.tensor([[1.0, 0.0], [NAN, NAN]])) for x in (logits, other)]
    gradients = [torch.autograd.grad(value, x)[0] for value, x in zip(values, (logits, other), strict=True)]
    assert values[0].item() == values[1].item()
    assert torch.equal(*gradients)
    assert not gradients[0][1].any()
    nothing = loss_of(name)(logits, torch.full((2, 2), NAN))
    assert nothing.item() == 0
    assert not torch.autograd.grad(nothing, logits)[0].any()


@pytest.mark.contract
@pytest.mark.parametrize("name", losses.LOSSES)
def test_loss_is_finite_for_confident_errors(name):
    assert loss_of(name)(torch.tensor([[-200.0, 200.0]]), torch.tensor([[1.0, 0.0]])).isfinite()


TWO, THREE, FOUR = math.log(2), math.log(3), math.log(4)
WORKED = {
    "bce is the mean over the known labels": ("bce", [[0, THREE], [5, 0]], [[1, 0], [NAN, 1]], (TWO + FOUR + TWO) / 3),
    "weighted_bce is the mean of the positives plus the mean of the negatives": (
        "weighted_bce", [[0, 0], [THREE, -THREE]], [[1, 0], [0, 0]], TWO + (TWO + FOUR + math.log(4 / 3)) / 3,
    ),
    "ce is a softmax and leaves out images without a class": ("ce", [[THREE, 0], [0, 0]], [[1, 0], [0, 0]], math.log(4 / 3)),
    "batch_pos_weight balances each finding and leaves out those without a positive": (
        "batch_pos_weight", [[0, 0]] * 4, [[1, 0], [0, 0], [0, NAN], [0, 0]], (3 + 3) * TWO / 7,
    ),
    "focal weighs by the error": ("focal:gamma=2", [[THREE] * 2], [[1, 0]], (math.log(4 / 3) + 9 * FOUR) / 32),
    "focal with gamma 0 is bce": ("focal:gamma=0", [[THREE] * 2], [[1, 0]], (math.log(4 / 3) + FOUR) / 2),
}  # fmt: skip


@pytest.mark.byhand
@pytest.mark.parametrize(("name", "logits", "labels", "worked"), WORKED.values(), ids=WORKED)
def test_a_loss_is_that_worked_by_hand(name, logits, labels, worked):
    assert loss_of(name)(torch.tensor(logits).float(), torch.tensor(labels).float()).item() == pytest.approx(worked)


@pytest.mark.byhand
def test_pos_weight_and_frequency_count_the_training_labels():
    """A finding without positives has the weight 1; frequency weighs a side by the share of the other."""
    train = [[1.0, 0.0], [0.0, 0.0], [0.0, NAN], [0.0, 0.0]]
    pos_weight, frequency = loss_of("pos_weight", train), loss_of("frequency", train)
    assert pos_weight.weight.tolist() == [3, 1]
    assert pos_weight(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item() == pytest.approx((3 + 1) * TWO / 2)
    assert frequency.positive.tolist() == [0.25, 0.5]
    value = frequency(torch.zeros(2, 2), torch.tensor([[1.0, 0.0], [0.0, NAN]]))
    assert value.item() == pytest.approx((0.75 + 0.5 + 0.25) * TWO / 3)


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
