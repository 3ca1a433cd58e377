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
from benchmark.explain import MethodMaps, build_methods, gather, prepare, run_methods
from benchmark.heatmap.images import readable_images
from benchmark.training import checkpoints
from config import HeatmapConfig, TrainConfig
from core.errors import LocusError, NotAvailableError, examples
from core.frames import Alignment, Grid, resize_image
from core.types import Sample
from datasets.io import transforms
from methods.evidence import Evidence

log = logging.getLogger(__name__)
ADVICE = "lower --memory_gib, ask for fewer --method at once, or write --precision bf16"
"""Advice if memory is short."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """The network of a finished run, in memory."""

    checkpoint: Path
    model: Classifier
    recipe: TrainConfig
    """Configuration of its training."""
    findings: tuple[str, ...]
    trained_on: str
    """Name of the data set, or a user's description; empty if unknown."""

    def __str__(self) -> str:
        names, data = examples(self.findings, 20), self.trained_on or "data that its file does not name"
        size = self.recipe.img_size
        return f"{self.checkpoint}: {self.recipe.backbone}, trained on {data}, {size}x{size} px; findings: {names}"


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


def read(checkpoint: Path, config: HeatmapConfig) -> TrainedNetwork:
    """Load the network of a ``best.ckpt`` or run folder; logs its name.

    Raises the errors of ``benchmark.training.checkpoints.load``.
    """
    content = checkpoints.read(checkpoint)
    model = checkpoints.rebuilt(content, checkpoint, config.trust)
    recipe, findings = checkpoints.configuration(content, checkpoint), checkpoints.findings(content, checkpoint)
    data = checkpoints.trained_on(content, checkpoint)
    network = TrainedNetwork(checkpoint, prepare(model, config), recipe, findings, data)
    log.info("network %s", network)
    return network


def warn_of_drawn_findings(network: TrainedNetwork, image: Path) -> None:
    """Warn if a network trained on findings drawn by code explains a user's ``image``."""
    if datasets.is_synthetic(network.trained_on):
        data, path = network.trained_on.split(":")[0], network.checkpoint
        log.warning(
            "warning: %s was trained on %s, whose findings are drawn by code: its scores and maps of %s say nothing "
            "about a radiograph; give the run of another data set with --checkpoint",
            *(path, data, image),
        )


class Explainer:
    """Explains images with the methods of ``config``; names those that do not support the network."""

    def __init__(self, config: HeatmapConfig) -> None:
        self.config = config
        self.unavailable: dict[str, str] = {}
        """Method -> why it is not supported."""
        self.broken: dict[str, str] = {}
        """Method -> what was wrong with its map."""
        installed = []
        for word in methods.expand(config.method):
            try:
                methods.get(word)
                installed.append(word)
            except NotAvailableError as error:  # a library that is not installed
                self.unavailable[word] = str(error)
        self._methods = build_methods(installed)

    @property
    def without_answer(self) -> tuple[str, ...]:
        """A sentence for each method that is not supported."""
        return tuple(f"{word}: {reason}" for word, reason in self.unavailable.items())

    def explain(
        self, network: TrainedNetwork, samples: Sequence[Sample], max_bad_images: float
    ) -> Iterator[ExplainedImage]:
        """Explain the readable images among ``samples``, one forward pass each, resized as in the network's training.

        An unsupported method is tried only once. Raises ``LocusError`` for more unreadable images than
        ``max_bad_images`` (a share), an unknown layer, and if no method is supported.
        """
        side, config = network.recipe.img_size, self.config
        for sample, pixels in readable_images(samples, max_bad_images, ", ".join(config.method)):
            images = transforms.evaluation()(torch.from_numpy(resize_image(pixels, (side, side)).copy())[None])
            with torch.autocast(images.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                evidence = gather(
                    network.model, images, layer=config.layer, memory_gib=config.memory_gib, progress=True
                )
            logits = evidence.logits[0]
            probabilities = logits.softmax(0) if network.recipe.exclusive(len(logits)) else logits.sigmoid()
            maps, likeliest = self._maps(evidence), int(logits.argmax())
            yield ExplainedImage(sample, pixels, probabilities.tolist(), likeliest, maps, config.alignment)

    def _maps(self, evidence: Evidence) -> dict[str, MethodMaps]:
        answers = run_methods(self._methods, evidence)
        for word, answer in answers.items():
            if isinstance(answer, LocusError):
                kind = self.unavailable if isinstance(answer, NotAvailableError) else self.broken
                kind[word] = str(answer)
        made = {word: answer for word, answer in answers.items() if not isinstance(answer, LocusError)}
        self._methods = {word: method for word, method in self._methods.items() if word in made}
        if not made:
            raise NotAvailableError(f"no map can be made; {'; '.join([*self.without_answer, *self.broken.values()])}")
        return made
