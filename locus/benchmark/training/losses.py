"""Losses, one class each. Unknown labels (nan) are ignored, and the mean is taken over the known ones.

``LOSSES`` lists them by the name of ``--loss``, ``build`` creates one from a spec, and ``of_recipe`` that of the
flags. Most weight the binary cross-entropies of positives and negatives: ``frequency`` and ``pos_weight`` by counts of
the training labels, ``batch_pos_weight`` and ``weighted_bce`` by counts of the batch, ``focal`` by confidence. ``ce``
is for exclusive classes.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from locus.config import RecipeFlags
from locus.core import registry
from locus.core.errors import BadValueError
from locus.datasets.io.transforms import is_mixed


class Loss(nn.Module):
    """Loss of (N,K) logits and labels (0, 1 or nan for unknown). Subclasses set ``name`` and usually ``terms``."""

    name: ClassVar[str]
    """Registered name."""
    exclusive: ClassVar[bool] = False
    """True: one class per image (softmax); False: independent findings (sigmoid)."""

    def prepare(self, labels: Tensor) -> None:
        """Compute the state of the loss from the (n,K) training labels; most losses have none."""

    def counted(self, labels: Tensor) -> Tensor:
        """Return the (N,) number of loss terms of each image of the (N,K) ``labels``."""
        return (~labels.isnan()).sum(1)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the loss of each label; by default binary cross-entropies.

        Args:
            logits: (N,K) float32.
            labels: (N,K) targets in [0,1]; 0 where they are unknown.
            known: (N,K) False for unknown labels, whose terms are dropped.

        Returns:
            (N,K).
        """
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over the known labels; 0 with zero gradients if none is known.

        ``logits`` (N,K) of any precision are converted to float32; ``labels`` (N,K) are 0, 1 or nan.
        """
        has_label = ~labels.isnan()
        terms = self.terms(logits.float(), labels.nan_to_num(0.0), has_label)
        return torch.where(has_label, terms, 0.0).sum() / has_label.sum().clamp(min=1)


class Frequency(Loss):
    """-n_k y ln s(x) - p_k (1 - y) ln(1 - s(x)): each side of finding k is weighted by the share of the other.

    p_k and n_k = 1 - p_k are the shares of positives and negatives among the known training labels. Unlike in
    ``pos_weight``, whose weights are these divided by p_k, a rare finding has little weight. A finding without a
    positive or without a negative training label has both weights 1/2.
    Source: LaurentVeyssier/Chest-X-Ray-Medical-Diagnosis-with-Deep-Learning.
    """

    name = "frequency"
    positive: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positive", torch.full((1,), 0.5), persistent=False)

    def prepare(self, labels: Tensor) -> None:
        """Compute the shares from the (n,K) training labels; unknown labels are ignored."""
        positives = (labels == 1).sum(0)
        negatives = (labels == 0).sum(0)
        both = (positives > 0) & (negatives > 0)
        self.positive = torch.where(both, positives / (positives + negatives).clamp(min=1), 0.5)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) weighted cross-entropies."""
        weight = labels * (1 - self.positive) + (1 - labels) * self.positive
        return weight * super().terms(logits, labels, known)


class PosWeight(Loss):
    """-w_k y ln s(x) - (1 - y) ln(1 - s(x)), w_k = negatives / positives of finding k among the training labels.

    A finding without a positive or a negative training label has w_k = 1.
    """

    name = "pos_weight"
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(1), persistent=False)

    def prepare(self, labels: Tensor) -> None:
        """Count the (n,K) training labels; unknown labels are ignored."""
        positives = (labels == 1).sum(0)
        negatives = (labels == 0).sum(0)
        both = (positives > 0) & (negatives > 0)
        self.weight = torch.where(both, negatives / positives.clamp(min=1), 1.0)

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) weighted cross-entropies."""
        return functional.binary_cross_entropy_with_logits(
            logits, labels, reduction="none", pos_weight=self.weight
        )


class BatchPosWeight(Loss):
    """-w_k y ln s(x) - (1 - y) ln(1 - s(x)), w_k = negatives / positives of finding k in the batch.

    A finding without a positive label in the batch has loss 0. Source: jfhealthcare/Chexpert, ``batch_weight``
    of bin/train.py, which adds the means of the findings; this is the mean over all known labels.
    """

    name = "batch_pos_weight"

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) weighted cross-entropies."""
        positives = (labels * known).sum(0)
        weight = (known.sum(0) - positives) / positives.clamp(min=1)
        losses = functional.binary_cross_entropy_with_logits(
            logits, labels, reduction="none", pos_weight=weight
        )
        return torch.where(positives > 0, losses, 0.0)


class BCE(Loss):
    """-y ln s(x) - (1 - y) ln(1 - s(x)) with the sigmoid s, mean over the known labels.

    >>> import torch
    >>> round(float(BCE()(torch.tensor([[0.0, 9.0]]), torch.tensor([[1.0, float("nan")]]))), 4)
    0.6931
    """

    name = "bce"


class WeightedBCE(Loss):
    """beta_P on positives, beta_N on negatives, beta_P = (P + N) / P, beta_N = (P + N) / N, counted over the batch.

    P and N are the known positive and negative labels of all findings of the batch together. With the mean over the
    P + N labels this is the mean of the positives plus the mean of the negatives; a side without a label adds 0.
    Source: Wang et al., CVPR 2017, eq. 1 (W-CEL).
    """

    name = "weighted_bce"

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) weighted cross-entropies."""
        positive = labels * known
        count = known.sum()
        positives = positive.sum()
        beta_p = count / positives.clamp(min=1)
        beta_n = count / (count - positives).clamp(min=1)
        weight = labels * beta_p + (1 - labels) * beta_n
        return weight * super().terms(logits, labels, known)


class CE(Loss):
    """-ln softmax(x)_c of the image's class c, mean over the images.

    The weight of an image with several positive labels is shared among them. An image without a positive label, or with
    an unknown one, is ignored.
    """

    name = "ce"
    exclusive = True

    def counted(self, labels: Tensor) -> Tensor:
        """Return (N,) 1 for each image whose class is known, else 0."""
        return (labels.sum(1) > 0).long()  # nan > 0 is False

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over the images whose class is known, from (N,K) logits and labels; 0 if there is none."""
        total = labels.sum(1, keepdim=True)
        has_class = self.counted(labels) > 0
        share = torch.where(has_class[:, None], labels / total, 0.0)
        losses = -(share * logits.float().log_softmax(1)).sum(1)
        return torch.where(has_class, losses, 0.0).sum() / has_class.sum().clamp(min=1)


class Focal(Loss):
    """-(1 - q)^gamma ln q with q the probability of the truth: s(x) for a positive label, 1 - s(x) for a negative one.

    gamma 0 is bce. Source: Lin et al., ICCV 2017, eq. 4 (without the factor alpha of eq. 5).
    """

    name = "focal"

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        if isinstance(gamma, str) or not gamma >= 0:
            raise BadValueError(
                f"the loss 'focal' has gamma={gamma}: use a number of 0 or more, as in focal:gamma=2"
            )
        self.gamma = gamma

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) focal losses."""
        # q = s(surplus); with logarithms the gradient is finite for confident predictions, too
        surplus = logits * (2 * labels - 1)
        return (self.gamma * functional.logsigmoid(-surplus)).exp() * functional.softplus(-surplus)


LOSSES: dict[str, type[Loss]] = {
    loss_class.name: loss_class
    for loss_class in sorted(Loss.__subclasses__(), key=lambda loss_class: loss_class.name)
}


def build(spec: str) -> Loss:
    """Create the loss of a spec: ``focal:gamma=2``. Raises ``UnknownNameError`` and ``BadValueError``."""
    loss: Loss = registry.build(LOSSES, "loss", spec)
    return loss


def check_flags(recipe: RecipeFlags) -> None:
    """Raise ``BadValueError`` for flags that do not work together on any data."""
    if is_mixed(recipe.augment) and (recipe.weighted_loss or recipe.loss != "bce"):
        raise BadValueError(
            f"--augment {recipe.augment} mixes labels, which requires --loss bce, not {recipe.loss}"
        )
    if recipe.weighted_loss and recipe.loss not in ("bce", "weighted_bce"):
        raise BadValueError(
            f"--weighted_loss True cannot be combined with --loss {recipe.loss}: leave one of them out"
        )


def of_recipe(recipe: RecipeFlags, findings: int) -> Loss:
    """Create the loss of the flags; exclusive classes use ce, and ``--weighted_loss True`` means weighted_bce.

    Raises ``BadValueError`` for a loss that does not fit the number of ``findings``.
    """
    exclusive = recipe.exclusive(findings)
    loss_name = recipe.loss
    if recipe.weighted_loss:
        loss_name = "weighted_bce"
    elif exclusive and loss_name == "bce":
        loss_name = "ce"
    loss = build(loss_name)
    if loss.exclusive != exclusive:
        task = "one class per image (--multi_label False)" if exclusive else "independent findings"
        suited = [name for name, loss_class in LOSSES.items() if loss_class.exclusive == exclusive]
        raise BadValueError(
            f"--loss {loss_name} does not fit {task}: use one of {', '.join(suited)}"
        )
    return loss
