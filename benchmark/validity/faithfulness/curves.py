"""Perturbation curves of a method's cases, computed once and stored on disk."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from benchmark.explain import VERSION, apply_engine_flags
from benchmark.explain.memory import channels_last_if_on_cpu, forward_batch_size
from benchmark.maps.reader import StoredMaps
from benchmark.maps.trained import TrainingRun
from benchmark.scoring.protocols.base import Case
from benchmark.validity.faithfulness import perturbation
from benchmark.validity.faithfulness.imputation import NOISE, WEIGHTS
from config import EngineFlags
from core.errors import BadValueError
from core.files import atomic, json_hash
from core.frames import Grid
from core.seeds import generator
from core.types import FloatArray
from datasets.io import transforms

VERSION_OF_CURVES = 1
"""Version of the computation in this file and ``perturbation``; a new one invalidates all stored curves."""


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
    hidden = [perturbation.INSERTED_SHARES, perturbation.REMOVED, perturbation.BLUR]
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
    out = np.full((len(cases), sum(perturbation.PARTS.values())), np.nan)
    if ordered:
        image = transforms.evaluation()(torch.from_numpy(pixels[None]).to(networks.device))[0]
        draws = generator(run.config.data_seed, "road", cases[0].image_id).standard_normal(tuple(image.shape))
        noise = torch.from_numpy(NOISE * draws).to(image)
        orders = np.stack([_order(cases[n]) for n in ordered])
        curves = perturbation.perturbation_curves(image, orders, noise, networks.probabilities(run))
        columns = [run.data.findings.index(cases[n].finding) for n in ordered]
        out[ordered] = curves[np.arange(len(ordered)), columns]
    return out


def _order(case: Case) -> perturbation.Order:
    if case.map is None or not isinstance(case.grid, Grid):
        raise BadValueError("the order of pixels requires the map's exact grid: give aligned cases")
    return perturbation.order(case.map, case.grid)
