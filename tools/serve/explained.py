"""What a network and the methods make of one uploaded image, as JSON for the page; nothing of it is kept."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backbones import Classifier
from benchmark.pictures.explained import ADVICE, ExplainedImage, Explainer, open_network
from benchmark.pictures.gallery_page import data_url, packed_map
from benchmark.pictures.images import uploaded_image
from benchmark.pictures.threshold import Thresholds
from benchmark.training import memory
from config import HeatmapConfig
from core.errors import DataError
from core.frames import Grid
from datasets.io.images import SUFFIXES


@dataclass(frozen=True, eq=False)
class ServedNetwork:
    """A finished run in memory, and where its boxes are drawn."""

    model: Classifier
    thresholds: Thresholds


@functools.lru_cache(maxsize=2)
def network(checkpoint: Path, runs: str) -> ServedNetwork:
    """The network of a checkpoint; the last two stay in memory. Raises ``DataError``."""
    read, model = open_network(checkpoint, HeatmapConfig(), None)
    return ServedNetwork(model, Thresholds(read.digest, Path(runs)))


@memory.oom_as_error(ADVICE)
def explained(known: ServedNetwork, upload: bytes, suffix: str, words: Sequence[str]) -> dict[str, Any]:
    """Picture, frame, probabilities, and per method a map of each finding with the threshold of its boxes.

    Raises ``LocusError`` for what is no image, and where no method has an answer.
    """
    explainer = Explainer(HeatmapConfig(method=tuple(words)))
    image = _of_upload(known.model, explainer, upload, suffix)
    return {
        "picture": data_url(image.pixels),
        "frame": list(image.pixels.shape),
        "findings": list(known.model.findings),
        "probabilities": image.probabilities,
        "methods": [{"method": word, "maps": _maps(known, image, word)} for word in image.maps],
        "without": [*explainer.unsupported, *(f"{word}: {why}" for word, why in explainer.failed.items())],
    }


def _of_upload(model: Classifier, explainer: Explainer, upload: bytes, suffix: str) -> ExplainedImage:
    """Explain an uploaded PNG, JPEG or DICOM file from memory: it is never on disk. Raises ``DataError``."""
    if suffix not in SUFFIXES:
        raise DataError(f"an image ends in {', '.join(SUFFIXES)}")
    sample = uploaded_image(f"image{suffix}", upload, model.recipe.preprocess)
    (image,) = explainer.explain(model, [sample], max_bad_images=0)
    return image


def _maps(known: ServedNetwork, image: ExplainedImage, word: str) -> list[dict[str, Any] | None]:
    """The maps of one method, each packed with its threshold; None for one that is not finite."""
    raw = [image.raw_map(word, k).values for k in range(len(known.model.findings))]
    return [
        _packed(known, word, finding, values, image.maps[word].grid) if np.isfinite(values).all() else None
        for finding, values in zip(known.model.findings, raw, strict=True)
    ]


def _packed(known: ServedNetwork, word: str, finding: str, values: NDArray[np.float32], grid: Grid) -> dict[str, Any]:
    threshold, origin = known.thresholds.lookup(word, finding)
    scaled = (values / (np.abs(values).max() or 1)).astype(np.float16)  # as suites keep their maps
    return {**packed_map(scaled, grid), "threshold": threshold, "origin": origin}
