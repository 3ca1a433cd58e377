"""First principal component of a feature map's positions, reproducible across machines."""

from collections.abc import Callable

import torch
from torch import Tensor

FLAT_TOLERANCE = 1e-12
"""Features are constant up to rounding if their deviations are below this fraction of their mean."""
SIGN_TOLERANCE = 1e-5
"""An inner product below this fraction of its upper bound is rounding and does not decide the sign."""
TIE_TOLERANCE = 1e-6
"""Magnitudes that differ by less than this fraction count as equal when the sign is chosen."""
MAX_FULL_GRAM = 64
"""Gram matrices up to this size are fully decomposed, which takes a tenth of a millisecond."""
MAX_ROUNDS, RESIDUAL_TOLERANCE = 8, 1e-10
"""Maximum number of rounds of the subspace iteration, and the relative residual at which it has converged."""


def first_component(
    features: Tensor, coordinates: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Project positions of (N,C,h,w), centred per channel, on their first principal axis: (N,h,w) float32.

    Uses the eigenvectors of the smaller Gram matrix (of channels or of positions), in float64; or the function
    ``coordinates``, which returns (N,P) for the centred features (N,C,P). Constant features give zeros; features that
    are not finite give nan. Sign: see :func:`fix_signs`.
    """
    X = features.flatten(2).double()
    mean = X.mean(2, keepdim=True)
    X -= mean
    finite = mean.isfinite().all(1)  # (N, 1); float64 holds any sum of float32
    X[~finite[:, 0]] = 0
    scores = fix_signs((coordinates or _scores)(X), X)
    varies = (
        X.flatten(1).norm(dim=1, keepdim=True)
        > FLAT_TOLERANCE * mean.norm(dim=1) * X.shape[2] ** 0.5
    )
    scores = torch.where(varies, scores, torch.where(finite, 0, torch.nan))
    return scores.float().view(-1, *features.shape[2:])


def _scores(X: Tensor) -> Tensor:
    """Return coordinates (N,P) of centred (N,C,P) on the first axis, with arbitrary sign."""
    if X.shape[1] < X.shape[2]:
        axis = _leading(X @ X.mT)  # (N, C, 1)
        return (axis.mT @ X)[:, 0]
    gram = X.mT @ X
    positions = _leading(gram)  # (N, P, 1), of length 1
    value = positions.mT @ gram @ positions
    return (positions * value.clamp(min=0).sqrt())[..., 0]


def _leading(gram: Tensor) -> Tensor:
    """Return the eigenvector (N,n,1) of the largest eigenvalue of (N,n,n), up to rounding.

    For 256 positions subspace iteration is about fifteen times faster than a full decomposition. It starts from fixed
    random vectors. If it does not converge (largest eigenvalues too close), it falls back to the full decomposition.
    """
    if gram.shape[-1] > MAX_FULL_GRAM:
        trace = gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
        unit = gram / torch.where(trace > 0, trace, 1)
        start = torch.randn(
            gram.shape[-1], 8, generator=torch.Generator().manual_seed(0), dtype=gram.dtype
        )
        basis = start.to(gram.device).expand(len(gram), -1, -1)
        for _ in range(MAX_ROUNDS):
            basis = torch.linalg.qr(unit @ (unit @ (unit @ (unit @ basis)))).Q
            values, mix = torch.linalg.eigh(basis.mT @ unit @ basis)
            vector = basis @ mix[..., -1:]
            residual = (unit @ vector - values[:, None, -1:] * vector).norm(dim=1)
            if (residual <= RESIDUAL_TOLERANCE * values[:, -1:]).all():
                return vector
    return torch.linalg.eigh(gram).eigenvectors[..., -1:]


def fix_signs(scores: Tensor, X: Tensor) -> Tensor:
    """Return scores (N,P) with signs fixed by the centred features X (N,C,P), independent of rounding.

    The sign makes the inner product with the sum over channels positive. If the channels cancel (after a LayerNorm they
    sum to a constant, and rounding would decide), the first of the largest values is made positive. The inner product
    is compared with its upper bound, ``|scores| |X| sqrt(C)``, so the units of the scores do not matter.
    """
    agreement = (scores * X.sum(1)).sum(1)
    bound = scores.norm(dim=1) * X.flatten(1).norm(dim=1) * X.shape[1] ** 0.5
    size = scores.abs()
    first = (size >= (1 - TIE_TOLERANCE) * size.amax(1, keepdim=True)).int().argmax(1, keepdim=True)
    decides = torch.where(
        agreement.abs() <= SIGN_TOLERANCE * bound, scores.gather(1, first)[:, 0], agreement
    )
    return torch.where(decides[:, None] < 0, -scores, scores)
