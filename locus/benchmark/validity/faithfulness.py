"""Check ``faithfulness``: whether the network's output depends on the pixels that a map highlights.

``impute``               ROAD's noisy linear imputation of removed pixels
``perturbation_curves``  pictures with pixels hidden in the order of a map, and a network's predictions for them
``curves``               the curves of a method's cases, computed once and stored on disk
``Faithfulness``         the check: metrics of the curves, and hits on the same cases

Sources: insertion and deletion, Petsiuk et al., "RISE", BMVC 2018, section 4.2; ROAD, Rong et al., "A consistent and
efficient evaluation strategy for attribution methods", ICML 2022. Tables and answer are in ``faithfulness_report``.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid
from scipy.linalg import solveh_banded
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur
from tqdm import tqdm

from locus.benchmark.explain import VERSION, apply_engine_flags
from locus.benchmark.explain.memory import channels_last_if_on_cpu, forward_batch_size
from locus.benchmark.maps.runs import TrainingRun
from locus.benchmark.maps.store import StoredMaps
from locus.benchmark.scoring.protocols.base import Case, Result, case_index, failures, rows, with_truth
from locus.benchmark.scoring.protocols.locus import Locus
from locus.benchmark.scoring.statistics.summary import Column, estimate, scores
from locus.benchmark.validity.base import Check
from locus.config import EngineFlags
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.files import atomic, json_hash
from locus.core.frames import Grid, resample
from locus.core.names import MAIN
from locus.core.types import FloatArray, generator
from locus.datasets.io import transforms

Pixels = NDArray[np.floating[Any]]
Index = NDArray[np.int64]
WEIGHTS = {(0, 1): 1 / 6, (1, -1): 1 / 12, (1, 0): 1 / 6, (1, 1): 1 / 12}
"""(down, right) -> weight of this neighbour and of the opposite one."""
NOISE = 0.01
"""Standard deviation of the noise added to imputed pixels, in units of the network's input, as in the authors' code."""
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

VERSION_OF_CURVES = 1
"""Version of the computation of curves; a new one invalidates all stored curves."""

UNORDERED = "the map puts no pixel before another"


def impute(image: Pixels, removed: NDArray[np.bool_]) -> Pixels:
    """Impute the ``removed`` pixels (H,W) of an image (C,H,W), without noise; 0 if all pixels are removed.

    Removed pixels are the weighted means of their neighbours, solved exactly (Rong et al. 2022, section 5.1): straight
    neighbours have weight 1/6, diagonal ones 1/12. The equations are symmetric, positive definite and banded, so a
    banded Cholesky decomposition is 4 to 10 times faster than the general sparse solver of the authors and of grad-cam.

    >>> impute(np.array([[[0.0, 7.0, 3.0]]]), np.array([[False, True, False]]))[0, 0].round(9).tolist()
    [0.0, 1.5, 3.0]
    """
    filled = np.where(removed, 0, image)
    if removed.all() or not removed.any():
        return filled
    filled[:, removed] = solveh_banded(*_equations(filled, removed), lower=True, check_finite=False).T
    return filled


def _equations(known: Pixels, removed: NDArray[np.bool_]) -> tuple[Pixels, Pixels]:
    """Return lower bands (B,n) and right sides (n,C) of the equations of n removed pixels, 0 in ``known`` (C,H,W)."""
    number = np.full((removed.shape[0] + 2, removed.shape[1] + 2), -1)
    number[1:-1, 1:-1][removed] = np.arange(removed.sum())
    values, inside = np.pad(known, ((0, 0), (1, 1), (1, 1))), np.pad(np.ones_like(removed), 1)
    y, x = np.nonzero(number >= 0)
    right, total = np.zeros((len(y), len(known)), known.dtype), np.zeros(len(y), known.dtype)
    links: list[tuple[Index, Index, float]] = []
    for (down, across), weight in WEIGHTS.items():
        for sign in (1, -1):
            beside = y + sign * down, x + sign * across
            right += weight * values[:, *beside].T
            total += weight * inside[beside]
        other = number[y + down, x + across]
        linked = np.flatnonzero(other >= 0)
        links.append((linked, other[linked], weight))
    width = max((int((end - start).max()) for start, end, _ in links if len(start)), default=0)
    bands = np.zeros((width + 1, len(y)), known.dtype)
    bands[0] = total
    for start, end, weight in links:
        bands[end - start, start] = -weight
    return bands, right


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


@dataclass
class Networks:
    """The networks that predict findings in images with hidden pixels, each loaded once."""

    flags: EngineFlags
    loaded: dict[Path, Callable[[Tensor], Tensor]] = field(default_factory=dict)

    def probabilities(self, run: TrainingRun) -> Callable[[Tensor], Tensor]:
        """Return a function from pictures (m,3,H,W) to probabilities (m,K), in batches within the memory budget."""
        if run.folder not in self.loaded:
            model = apply_engine_flags(run.model(self.device), self.flags)
            activation = torch.nn.Softmax(1) if run.config.exclusive(len(run.data.findings)) else torch.nn.Sigmoid()
            self.loaded[run.folder] = lambda pictures: activation(in_batches(model, pictures, self.flags.memory_gib))
        return self.loaded[run.folder]

    @property
    def device(self) -> str:
        """The device of the networks."""
        return "cuda" if torch.cuda.is_available() else "cpu"


@torch.inference_mode()
def in_batches(model: Callable[[Tensor], Tensor], pictures: Tensor, memory_gib: float) -> Tensor:
    """Return float32 logits (m,K) of pictures (m,3,H,W).

    ``model`` is called on batches within ``memory_gib``.
    """
    parts = torch.split(pictures, forward_batch_size(pictures, memory_gib))
    return torch.cat([model(channels_last_if_on_cpu(part)).float() for part in parts])


def curves_path(runs: Sequence[TrainingRun], maps: StoredMaps, folder: Path) -> Path:
    """Return the file of a method's curves; its name depends on the maps, the weights and all settings."""
    hidden = [INSERTED_SHARES, REMOVED, BLUR]
    ways = [*hidden, NOISE, [*WEIGHTS.values()], VERSION_OF_CURVES, VERSION]
    return folder / f"curves-{json_hash([maps.index.key, [run.digest for run in runs], ways])}.npy"


def curves(
    runs: Sequence[TrainingRun], cases: Sequence[Case], maps: StoredMaps, folder: Path, networks: Networks
) -> FloatArray:
    """Return curves (N,n), see ``PARTS``, of the ``cases`` of one method; nan for flat maps.

    Cases of an image are consecutive. Curves that ``folder`` has are not computed again.
    """
    where = curves_path(runs, maps, folder)
    if not where.is_file():
        joined = np.concatenate([*_compute_curves(runs, cases, networks)]).astype(np.float32)
        with atomic(where) as temporary, temporary.open("wb") as file:
            np.save(file, joined)
    return np.asarray(np.load(where), dtype=np.float64)


def _compute_curves(runs: Sequence[TrainingRun], cases: Sequence[Case], networks: Networks) -> Iterator[FloatArray]:
    """Yield curves (cases, n), image by image."""
    rows = [{sample.image_id: row for row, sample in enumerate(run.scorable_images)} for run in runs]
    images = [(image, list(group)) for image, group in itertools.groupby(cases, lambda case: case.image_id)]
    for image, group in tqdm(images, desc="hide pixels", unit="image", leave=False, disable=None):
        run, row = runs[group[0].training], rows[group[0].training][image]
        yield _of_image(run, run.pixels[row], group, networks)


def _of_image(run: TrainingRun, pixels: NDArray[np.uint8], cases: Sequence[Case], networks: Networks) -> FloatArray:
    """Return curves (cases, n) of the cases of one image with pixels (H,W)."""
    ordered = [number for number, case in enumerate(cases) if case.load_surface[0] is not None]
    out = np.full((len(cases), sum(PARTS.values())), np.nan)
    if ordered:
        image = transforms.evaluation()(torch.from_numpy(pixels[None]).to(networks.device))[0]
        draws = generator(run.config.data_seed, "road", cases[0].image_id).standard_normal(tuple(image.shape))
        noise = torch.from_numpy(NOISE * draws).to(image)
        orders = np.stack([_order(cases[n]) for n in ordered])
        curves = perturbation_curves(image, orders, noise, networks.probabilities(run))
        columns = [run.data.findings.index(cases[n].finding) for n in ordered]
        out[ordered] = curves[np.arange(len(ordered)), columns]
    return out


def _order(case: Case) -> Order:
    if case.map is None or not isinstance(case.grid, Grid):
        raise BadValueError("the order of pixels requires the map's exact grid: give aligned cases")
    return order(case.map, case.grid)


class Faithfulness(Check):
    """Probability of a finding while pixels are hidden or shown in the order of its map.

    ``insertion`` is the area under the probability while the most relevant pixels are inserted first into a blurred
    image; higher is better. ``deletion`` is the area while they are replaced by mean grey; lower is better (Petsiuk et
    al. 2018). ``road@morf`` and ``road@lerf`` are mean probabilities with the most and the least relevant pixels
    imputed from their neighbours, and ``road`` = (lerf - morf) / 2, as in grad-cam's ``ROADCombined``; higher is better
    (Rong et al. 2022). ``hit@iou.3`` (at cross-fitted thresholds) and ``pointing`` are scores of ``locus`` on the same
    cases; only these two use the truth. Cases are the findings with a truth box. A flat map does not order pixels: its
    case is excluded and counted in ``unordered``.
    """

    name = "faithfulness"
    settings: ClassVar = {
        "insertion": f"{STEPS} steps, step i shows (i/{STEPS})² of the pixels, from a blur of {BLUR:g} of the side",
        "deletion": "the same steps, to the mean grey (0 in the network's input)",
        "road": f"{', '.join(f'{share:.0%}' for share in REMOVED)} imputed, noise {NOISE:g}",
        "order of pixels": "the map's surface on its true grid at the pixels of the network's input, ties row by row",
    }

    def evaluate(self, method: str, seed: int) -> Result:
        """Return faithfulness and localization of one method, with a row per case.

        Raises ``NotAvailableError`` if all its maps are flat.
        """
        cases = with_truth(self.cases(method))
        answers = curves(self.runs, cases, self.maps(method, self.runs), self.folder / self.name, self._networks)
        values = measures(answers)
        ordered = np.isfinite(values["road"])
        if not ordered.any() and not failures(cases, [case.load_surface[1] for case in cases]):
            raise NotAvailableError(f"all maps of {method!r} are constant, so they do not order the pixels")
        located = Locus().evaluate(cases, self.findings, seed).rows
        hits = {name: np.array([row[name] for row in located], dtype=np.float64) for name in (MAIN, "pointing")}
        estimates = estimate(_columns(values, hits, ordered), case_index(cases), self.findings, seed)
        reasons = [case.load_surface[1] for case in cases]
        table = rows(cases, reasons, {**values, **hits})
        return Result(scores(estimates, self.findings), table, {}, failures(cases, reasons))

    @cached_property
    def _networks(self) -> Networks:
        return Networks(self.flags)


def measures(answers: FloatArray) -> dict[str, FloatArray]:
    """Return each metric (N,) of curves (N,n); nan for flat maps."""
    curve = parts(answers)
    morf, lerf = curve["morf"].mean(-1), curve["lerf"].mean(-1)
    areas = {way: area_under_curve(INSERTED_SHARES, curve[way]) for way in ("insertion", "deletion")}
    return {**areas, "road@morf": morf, "road@lerf": lerf, "road": (lerf - morf) / 2}


def _columns(values: dict[str, FloatArray], hits: dict[str, FloatArray], known: NDArray[np.bool_]) -> list[Column]:
    one = np.ones(len(known))
    seen = [Column(m, "none", np.nan_to_num(v), known.astype(np.float64), reason=UNORDERED) for m, v in values.items()]
    places = [Column(m, "cross-fitted" if m == MAIN else "none", hit, one) for m, hit in hits.items()]
    return [*seen, *places, Column("unordered", "none", np.logical_not(known), one)]
