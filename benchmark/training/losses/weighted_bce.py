"""Binary cross-entropy with equal weight for the positives and the negatives of the batch."""

from torch import Tensor

from benchmark.training.losses.base import Loss


class WeightedBCE(Loss):
    """beta_P on positives, beta_N on negatives, beta_P = (P + N) / P, beta_N = (P + N) / N, counted over the batch.

    P and N are the known positive and negative labels of all findings of the batch together. With the mean over the
    P + N labels this is the mean of the positives plus the mean of the negatives; a side without a label adds 0.
    Source: Wang et al., CVPR 2017, eq. 1 (W-CEL).
    """

    name = "weighted_bce"

    def terms(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """Return the (N,K) weighted cross-entropies."""
        positive, count = labels * known, known.sum()
        positives = positive.sum()
        beta_p, beta_n = count / positives.clamp(min=1), count / (count - positives).clamp(min=1)
        weight = labels * beta_p + (1 - labels) * beta_n
        return weight * super().terms(logits, labels, known)
