"""Sampling probabilities of training images, where not all are seen equally often."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def image_shares(sampler: str, labels: Tensor) -> NDArray[np.float64] | None:
    """(n,) probability of each training image with (n,K) ``labels``; None where every image is seen once an epoch."""
    return balanced(labels.numpy()) if sampler == "weighted" else None


def balanced(labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,K) 0, 1 or nan -> (n,) probabilities by which every class that there is comes up equally often.

    An image's class is the rarest of its positive findings, or none of them: with one label per image it is that label.

    >>> balanced(np.array([[1, 0], [1, 0], [0, 1]], np.float32)).tolist()
    [0.25, 0.25, 0.5]
    """
    positive = labels == 1
    rarest = np.where(positive, positive.sum(0), len(labels) + 1).argmin(1)
    classes = np.where(positive.any(1), rarest, labels.shape[1])
    _, which, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    weights = 1 / sizes[which].astype(np.float64)
    return weights / weights.sum()
