"""Pictures with pixels hidden in the order of a map, and a network's predictions for them.

Insertion and deletion: Petsiuk et al., "RISE", BMVC 2018, section 4.2. ROAD: Rong et al., ICML 2022; see
``benchmark.validity.faithfulness.imputation``.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from benchmark.validity.faithfulness.imputation import impute
from core.frames import Grid, resample
from core.types import FloatArray

Order = NDArray[np.int64]
STEPS = 8
INSERTED_SHARES = tuple((step / STEPS) ** 2 for step in range(STEPS + 1))
"""Shares of the pixels that are inserted or deleted; small shares are denser, since findings are small."""
REMOVED = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the pixels that ROAD removes; the mean over them is its score."""
BLUR = 1 / 16
"""Standard deviation of the blur at the start of insertion, as a fraction of the image's side."""
PARTS = {"insertion": STEPS + 1, "deletion": STEPS + 1, "morf": len(REMOVED), "lerf": len(REMOVED)}
"""Part of a curve (n,) -> its length.

``insertion``: at ``INSERTED_SHARES``, from the blurred image to the image; ``deletion``: there, from the image to the
mean grey; ``morf``, ``lerf``: at ``REMOVED``, the most and the least relevant first.
"""


def parts(curves: FloatArray) -> dict[str, FloatArray]:
    """Split curves (...,n) into the four ways to hide pixels."""
    return dict(zip(PARTS, np.split(curves, np.cumsum([*PARTS.values()])[:-1], axis=-1), strict=True))


def order(values: ArrayLike, grid: Grid) -> Order:
    """Sort the pixels of the network's input (H·W,) by the surface of a map (h,w), highest value first.

    Ties are in row-major order; the least-relevant-first order is the reverse.

    >>> order([[1, 3], [3, 2]], Grid((2, 2), (1, 1), (0, 0))).tolist()
    [1, 2, 3, 0]
    """
    return np.argsort(-resample(values, grid, grid.size), axis=None, kind="stable")


def area_under_curve(shares: ArrayLike, curve: ArrayLike) -> Any:
    """Return the area under curves (...,n) at ascending ``shares`` (n,), by the trapezoid rule.

    >>> float(area_under_curve([0, 0.5, 1], [0, 1, 1]))
    0.75
    """
    return trapezoid(np.asarray(curve, dtype=np.float64), np.asarray(shares, dtype=np.float64), axis=-1)


def perturbation_curves(image: Tensor, orders: Order, noise: Tensor, predict: Callable[[Tensor], Tensor]) -> FloatArray:
    """Return curves (F,K,n), see ``PARTS``, of K findings for F pixel orders (F,H·W) of the network's input (3,H,W).

    ``noise`` (3,H,W) is added to ROAD's imputed pixels; ``predict`` returns probabilities (m,K) of pictures (m,3,H,W).
    Equal orders are computed once.
    """
    different = {order.tobytes(): order for order in orders}
    numbers = {name: number for number, name in enumerate(different)}
    which = [numbers[order.tobytes()] for order in orders]
    blurred, grey = blur(image), torch.zeros_like(image)
    pictures = [
        torch.stack([image, blurred, grey]),
        *(_hidden(image, blurred, noise, one) for one in different.values()),
    ]
    predictions = predict(torch.cat(pictures)).cpu().double().numpy()
    whole, start, end = predictions[:3]
    by_order = predictions[3:].reshape(len(different), -1, predictions.shape[-1])[which].swapaxes(1, 2)  # (F, K, n)
    inserted, deleted, road = np.split(by_order, np.cumsum([STEPS - 1, STEPS - 1]), axis=-1)
    first, blank, last = (np.broadcast_to(p[:, None], (*by_order.shape[:2], 1)) for p in (start, end, whole))
    return np.concatenate([first, inserted, last, last, deleted, blank, road], -1)


def blur(image: Tensor) -> Tensor:
    """Blur an image (3,H,W) by ``BLUR`` of its side, mirrored at the edges.

    >>> blur(torch.ones(3, 16, 16)).shape, round(float(blur(torch.ones(3, 16, 16)).mean()), 4)
    (torch.Size([3, 16, 16]), 1.0)
    """
    deviation = BLUR * min(image.shape[-2:])
    reach = min(round(3 * deviation), min(image.shape[-2:]) - 1)
    return gaussian_blur(image, [2 * reach + 1] * 2, [deviation] * 2)


def mixed(above: Tensor, below: Tensor, pixels: Order, shares: ArrayLike) -> Tensor:
    """Combine two images (3,H,W): for each share the first ``pixels`` from ``above``, the rest from ``below``.

    Returns (n,3,H,W). Shares are rounded to whole pixels, halves to even.
    """
    return torch.stack([torch.where(first.to(above.device), above, below) for first in _first(pixels, shares, above)])


def _first(pixels: Order, shares: ArrayLike, image: Tensor) -> Iterator[Tensor]:
    """Yield, for each share, a mask (H,W) of the first pixels."""
    rank = torch.empty(len(pixels), dtype=torch.int64)
    rank[torch.from_numpy(pixels.copy())] = torch.arange(len(pixels))
    for share in np.asarray(shares, dtype=np.float64):
        yield (rank < round(share * len(pixels))).reshape(image.shape[-2:])


def _hidden(image: Tensor, blurred: Tensor, noise: Tensor, pixels: Order) -> Tensor:
    """Return the pictures of one order without the end points, which all orders share."""
    between = INSERTED_SHARES[1:-1]
    return torch.cat(
        [
            mixed(image, blurred, pixels, between),
            mixed(torch.zeros_like(image), image, pixels, between),
            imputed(image, noise, pixels, REMOVED),
            imputed(image, noise, pixels[::-1], REMOVED),
        ]
    )


def imputed(image: Tensor, noise: Tensor, pixels: Order, shares: ArrayLike) -> Tensor:
    """Return copies (n,3,H,W) of an image with the first ``pixels`` imputed, plus ``noise``, for each share."""
    given, pictures = image.cpu().numpy(), []
    for removed in _first(pixels, shares, image):
        filled = torch.from_numpy(impute(given, removed.numpy())).to(image)
        pictures.append(torch.where(removed.to(image.device), filled + noise, filled))
    return torch.stack(pictures)
