"""What a network and the methods make of one uploaded image, as JSON for the page; nothing of it is kept."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backbones import Classifier
from benchmark.engine import prepare
from benchmark.gallery.page import data_url, packed_map
from benchmark.heatmap.evidence import ADVICE, Methods, gather_evidence
from benchmark.heatmap.images import readable_images
from benchmark.heatmap.threshold import Thresholds
from benchmark.maps.trained import digest_of
from benchmark.training import checkpoints, memory
from config import HeatmapConfig, TrainConfig
from core.errors import DataError
from core.frames import Grid
from datasets.io.images import SUFFIXES


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A finished run in memory."""

    model: Classifier
    recipe: TrainConfig
    findings: tuple[str, ...]
    thresholds: Thresholds


@functools.lru_cache(maxsize=2)
def network(checkpoint: Path, runs: str) -> LoadedNetwork:
    """The network of a checkpoint; the last two stay in memory. Raises ``DataError``."""
    model, recipe, findings = checkpoints.read_network(checkpoint)
    config = HeatmapConfig(runs=runs)
    return LoadedNetwork(prepare(model, config), recipe, findings, Thresholds(config, digest_of(checkpoint)))


@memory.enough(ADVICE)
def explained(known: LoadedNetwork, upload: bytes, suffix: str, words: Sequence[str]) -> dict[str, Any]:
    """Picture, frame, probabilities, and per method a map of each finding with the threshold of its boxes.

    Raises ``LocusError`` for what is no image, and where no method has an answer.
    """
    pixels, config, parts = decoded(upload, suffix, known.recipe), HeatmapConfig(), Methods(words)
    seen = gather_evidence(known.model, pixels, known.recipe, config)
    answers = parts.maps(seen.evidence)
    return {
        "picture": data_url(pixels),
        "frame": list(pixels.shape),
        "findings": list(known.findings),
        "probabilities": seen.probabilities,
        "methods": [
            {"method": word, "maps": _maps(known, word, answer.maps[0].numpy(), answer.grid)}
            for word, answer in answers.items()
        ],
        "without": [*parts.without_answer, *(f"{word}: {reason}" for word, reason in parts.broken.items())],
    }


def decoded(upload: bytes, suffix: str, recipe: TrainConfig) -> NDArray[np.uint8]:
    """(H,W) gray pixels of an uploaded PNG, JPEG or DICOM; its file is gone when they are read.

    Raises ``DataError``.
    """
    if suffix not in SUFFIXES:
        raise DataError(f"an image ends in {', '.join(SUFFIXES)}")
    with TemporaryDirectory(prefix="locus-") as folder:
        file = Path(folder) / f"image{suffix}"
        file.write_bytes(upload)
        try:
            ((_, pixels),) = readable_images(HeatmapConfig(image=str(file), max_bad_images=0), recipe)
        except DataError as error:
            raise DataError(str(error).replace(f"{folder}/", "")) from error
    return pixels


def _maps(known: LoadedNetwork, word: str, values: NDArray[np.float32], grid: Grid) -> list[dict[str, Any] | None]:
    """(K,h,w) maps, each packed with its threshold; None for one that is not finite."""
    return [
        _packed(known, word, finding, each, grid) if np.isfinite(each).all() else None
        for finding, each in zip(known.findings, values, strict=True)
    ]


def _packed(known: LoadedNetwork, word: str, finding: str, values: NDArray[np.float32], grid: Grid) -> dict[str, Any]:
    threshold, origin = known.thresholds.lookup(word, finding)
    scaled = (values / (np.abs(values).max() or 1)).astype(np.float16)  # as suites keep their maps
    return {**packed_map(scaled, grid), "threshold": threshold, "origin": origin}
