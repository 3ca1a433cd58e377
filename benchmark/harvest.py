"""From trained models to the maps of their held-out images: one forward pass per batch, whatever the number of methods."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.baselines import BASELINES
from benchmark.explain import gather, named, one
from benchmark.maps import StoredMaps, compress
from benchmark.training import checkpoints
from benchmark.training import data as source
from config import TrainConfig
from core.errors import DataError, NotAvailableError, examples
from core.frames import Grid
from core.types import Sample
from datasets import cache, transforms
from datasets.base import Dataset
from methods.base import Evidence, Method

BATCH = 32


@dataclass(frozen=True)
class Trained:
    """One training of a model and the images that it never saw."""

    config: TrainConfig
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """What is explained and scored."""
        return self.folder / "best.ckpt"

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights by name: the same weights, the same digest, however written."""
        digest = hashlib.sha256()
        for name, value in sorted(checkpoints.weights(checkpoints.read(self.checkpoint)).items()):
            digest.update(name.encode() + value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def data(self) -> Dataset:
        """The held-out split."""
        return source.load(self.config, "test")

    @cached_property
    def cases(self) -> list[Sample]:
        """The held-out images with any truth box."""
        return [sample for sample in self.data if sample.boxes]


@dataclass
class _Harvest:
    """What is gathered for one method."""

    maps: list[NDArray[np.float32]] = field(default_factory=list)
    reason: str = ""


def harvest(trained: Sequence[Trained], words: Sequence[str]) -> dict[str, StoredMaps | str]:
    """Word -> the maps of all cases of all trainings in their order, or the sentence why a method has none."""
    parts = {word: named(word)[1] for word in words if word not in BASELINES}
    found = {word: _Harvest() for word in parts}
    grid, shape = Grid((1, 1), (1, 1), (0, 0)), (1, 1)
    for run in trained:
        for evidence in _batches(run):
            grid, shape = evidence.grid, (evidence.A.shape[-2], evidence.A.shape[-1])
            for word, part in parts.items():
                _take(found[word], part, evidence)
    made: dict[str, StoredMaps | str] = {
        word: gathered.reason or compress(np.concatenate(gathered.maps), grid) for word, gathered in found.items()
    }
    samples = [sample for run in trained for sample in run.cases]
    for word in set(words) & set(BASELINES):
        made[word] = compress(*BASELINES[word]().maps(samples, trained[0].data.findings, grid, shape))
    return made


def _take(gathered: _Harvest, part: Method, evidence: Evidence) -> None:
    try:
        gathered.maps.append(one(part, evidence).cpu().numpy())
    except NotAvailableError as error:
        gathered.reason = str(error)


def _batches(run: Trained) -> Iterator[Evidence]:
    """Evidence of the cases of one training, batch by batch, from the cache of decoded pixels."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, config = checkpoints.load(run.checkpoint, device)
    images = _pixels(run, config.img_size)
    evaluate = transforms.evaluation()
    for start in tqdm(range(0, len(images), BATCH), desc=f"explain {run.folder.name}", unit="batch", leave=False, disable=None):
        batch = torch.from_numpy(images[start : start + BATCH].copy()).to(device)
        yield gather(model, evaluate(batch))


def _pixels(run: Trained, size: int) -> NDArray[np.uint8]:
    """(cases, S, S) uint8 pixels of the cases. Raises ``DataError`` when one of them can't be decoded: it has truth."""
    pixels = cache.pixels(run.data, size, Path(run.config.cache_dir), run.config.max_bad_images)
    place = {run.data[int(i)].image_id: n for n, i in enumerate(pixels.kept)}
    missing = [sample.image_id for sample in run.cases if sample.image_id not in place]
    if missing:
        raise DataError(f"{len(missing)} images with a truth box cannot be decoded: {examples(missing)}; mend or remove them")
    return pixels.images[[place[sample.image_id] for sample in run.cases]]
