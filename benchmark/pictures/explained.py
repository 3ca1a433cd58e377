"""Explain images with a finished network and methods, before anything is drawn."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import datasets
import methods
from backbones import Classifier
from benchmark.explain import MethodMaps, build_methods, collect_evidence, prepare, run_methods
from benchmark.pictures.images import readable_images
from benchmark.training import load
from config import HeatmapConfig
from core.errors import LocusError, NotAvailableError
from core.frames import Alignment, Grid, resize_image
from core.types import Sample
from datasets.io import transforms
from methods.evidence import Evidence

log = logging.getLogger(__name__)
ADVICE = "lower --memory_gib, use fewer methods at once, or use --precision bf16"
"""Advice if memory runs out."""


@dataclass(frozen=True, eq=False)
class RawMap:
    """Map of a method for one finding of one image."""

    method: str
    values: NDArray[np.float32]
    """(h, w) map, neither resized nor scaled."""
    grid: Grid | Alignment
    """Positions of the map in the image."""
    probability: float


@dataclass(frozen=True, eq=False)
class ExplainedImage:
    """One image with its predictions and maps."""

    sample: Sample
    pixels: NDArray[np.uint8]
    """(H, W)."""
    probabilities: list[float]
    """Probability of each finding."""
    likeliest: int
    """Index of the finding with the highest logit."""
    maps: dict[str, MethodMaps]
    """Maps of each supported method, for all findings."""
    alignment: Alignment

    def raw_map(self, method: str, k: int) -> RawMap:
        """Return the map of finding ``k``."""
        of_method = self.maps[method]
        grid = of_method.grid if self.alignment == "aligned" else self.alignment
        return RawMap(method, of_method.maps[0, k].numpy(), grid, self.probabilities[k])


def open_network(path: Path, config: HeatmapConfig, image: str | None) -> tuple[load.Checkpoint, Classifier]:
    """Read a checkpoint or run folder, build its network and log its description.

    Warns if a network trained on findings drawn by code explains a user's ``image``.
    """
    checkpoint = load.checkpoint(path)
    model = prepare(checkpoint.network(config.trust), config)
    log.info("network %s", checkpoint)
    if image is not None and datasets.is_synthetic(checkpoint.trained_on):
        log.warning(
            "warning: %s was trained on %s, whose findings are drawn by code: its scores and maps of %s are "
            "meaningless for radiographs; use a run of another data set with --checkpoint",
            *(path, checkpoint.trained_on.split(":")[0], image),
        )
    return checkpoint, model


class Explainer:
    """Explains images with the methods of ``config``, and lists those that do not support the network."""

    def __init__(self, config: HeatmapConfig) -> None:
        self.config = config
        self.unsupported: dict[str, str] = {}
        """Method -> reason why it is not supported, by the network or because a library is missing."""
        self.failed: dict[str, str] = {}
        """Method -> error while it ran."""
        installed = []
        for word in methods.expand(config.method):
            try:
                methods.get(word)
                installed.append(word)
            except NotAvailableError as error:  # a library that is not installed
                self.unsupported[word] = str(error)
        self._methods = build_methods(installed)

    @property
    def unsupported_sentences(self) -> tuple[str, ...]:
        """A sentence for each method that is not supported."""
        return tuple(f"{word}: {reason}" for word, reason in self.unsupported.items())

    def explain(self, model: Classifier, samples: Sequence[Sample], max_bad_images: float) -> Iterator[ExplainedImage]:
        """Explain the readable images among ``samples``, with one forward pass each, resized as in training.

        An unsupported method is tried only once. Raises ``LocusError`` if the share of unreadable images is larger than
        ``max_bad_images``, for an unknown layer, and if no method is supported.
        """
        side, config = model.train_config.img_size, self.config
        for sample, pixels in readable_images(samples, max_bad_images, ", ".join(config.method)):
            images = transforms.evaluation()(torch.from_numpy(resize_image(pixels, (side, side)).copy())[None])
            with torch.autocast(images.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                evidence = collect_evidence(
                    model, images, layer=config.layer, memory_gib=config.memory_gib, progress=True
                )
            logits = evidence.logits[0]
            probabilities = logits.softmax(0) if model.train_config.exclusive(len(logits)) else logits.sigmoid()
            maps, likeliest = self._maps(evidence), int(logits.argmax())
            yield ExplainedImage(sample, pixels, probabilities.tolist(), likeliest, maps, config.alignment)

    def _maps(self, evidence: Evidence) -> dict[str, MethodMaps]:
        """Return the maps of all methods; a method that raises an error is noted with its reason and not run again."""
        answers = run_methods(self._methods, evidence)
        for word, answer in answers.items():
            if isinstance(answer, LocusError):
                kind = self.unsupported if isinstance(answer, NotAvailableError) else self.failed
                kind[word] = str(answer)
        made = {word: answer for word, answer in answers.items() if not isinstance(answer, LocusError)}
        self._methods = {word: method for word, method in self._methods.items() if word in made}
        if not made:
            raise NotAvailableError(
                f"no method has a map: {'; '.join([*self.unsupported_sentences, *self.failed.values()])}"
            )
        return made
