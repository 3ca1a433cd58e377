"""Explain one uploaded image for the page, as JSON. Nothing is stored."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from locus.backbones import Classifier
from locus.benchmark.heatmaps.checkpoints import open_network
from locus.benchmark.heatmaps.explain import ADVICE, ExplainedImage, Explainer
from locus.benchmark.heatmaps.images import uploaded_image
from locus.benchmark.heatmaps.thresholds import Thresholds
from locus.benchmark.pictures.gallery import data_url, packed_map
from locus.benchmark.training import hardware
from locus.config import HeatmapConfig
from locus.core.errors import DataError
from locus.datasets.io import images
from locus.datasets.io.images import SUFFIXES

MAX_PIXELS = 25_000_000
"""Maximum number of pixels of an upload; large compressed images would block the page for minutes."""


@dataclass(frozen=True, eq=False)
class ServedNetwork:
    """Network of a finished run, and the score thresholds of its boxes."""

    model: Classifier
    thresholds: Thresholds


@functools.lru_cache(maxsize=2)
def network(checkpoint: Path, runs: str) -> ServedNetwork:
    """Load the network of a checkpoint; the last two are cached. Raises ``DataError``."""
    read, model = open_network(checkpoint, HeatmapConfig())
    return ServedNetwork(model, Thresholds(read.digest, Path(runs)))


@hardware.oom_as_error(ADVICE)
def explained(
    served: ServedNetwork, upload: bytes, suffix: str, method_names: Sequence[str]
) -> dict[str, Any]:
    """Return picture, frame, probabilities, and the maps of each method with the thresholds of their boxes.

    ``upload`` is a PNG, JPEG or DICOM file, which is not written to disk. Raises ``LocusError`` for a file that is not
    an image or has more than ``MAX_PIXELS``, and if no method supports the network.
    """
    if suffix not in SUFFIXES:
        raise DataError(
            f"the file extension {suffix!r} is not supported: choose one of {', '.join(SUFFIXES)}"
        )
    height, width = images.frame(
        f"image{suffix}", upload
    )  # from the header, before anything is decoded
    if height * width > MAX_PIXELS:
        raise DataError(
            f"the image has {height}x{width} pixels: at most {MAX_PIXELS // 10**6} megapixels are allowed"
        )
    explainer = Explainer(HeatmapConfig(method=tuple(method_names)))
    model = served.model
    sample = uploaded_image(f"image{suffix}", upload, model.train_config.preprocess)
    (image,) = explainer.explain(model, [sample], max_bad_images=0)
    return {
        "picture": data_url(image.pixels),
        "frame": list(image.pixels.shape),
        "findings": list(model.findings),
        "probabilities": image.probabilities,
        "methods": [
            {"method": method_name, "maps": [*_maps(served, image, method_name)]}
            for method_name in image.maps
        ],
        "without": [
            *explainer.unsupported_sentences,
            *(f"{method_name}: {why}" for method_name, why in explainer.failed.items()),
        ],
    }


def _maps(
    served: ServedNetwork, image: ExplainedImage, method_name: str
) -> Iterator[dict[str, Any] | None]:
    """Yield the maps of a method, packed with their thresholds; None for a map that is not finite."""
    for k, finding in enumerate(served.model.findings):
        values = image.raw_map(method_name, k).values
        if not np.isfinite(values).all():
            yield None
            continue
        threshold, threshold_source = served.thresholds.lookup(method_name, finding)
        scaled = (values / (np.abs(values).max() or 1)).astype(np.float16)  # as in stored maps
        yield {
            **packed_map(scaled, image.maps[method_name].grid),
            "threshold": threshold,
            "threshold_source": threshold_source,
        }
