"""Explain images with one forward pass each, by all methods; the maps are computed by ``locus.explaining``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from locus import methods
from locus.backbones import Classifier
from locus.benchmark.heatmaps.images import readable_images
from locus.benchmark.pictures.panels import RawMap
from locus.config import HeatmapConfig
from locus.core.errors import LocusError, NotAvailableError
from locus.core.frames import Alignment, resize_image
from locus.core.types import Sample
from locus.datasets.io import transforms
from locus.explaining.batch import MethodMaps, build_methods, collect_evidence, run_methods
from locus.methods.evidence import Evidence

ADVICE = "lower --memory_gib, use fewer methods at once, or use --precision bf16"
"""Advice if memory runs out."""


@dataclass(frozen=True, eq=False, kw_only=True)
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
        method_maps = self.maps[method]
        return RawMap(
            method=method,
            values=method_maps.maps[0, k].numpy(),
            grid=method_maps.grid if self.alignment == "aligned" else self.alignment,
            probability=self.probabilities[k],
        )


class Explainer:
    """Explains images with the methods of ``config``, and lists those that do not support the network."""

    def __init__(self, config: HeatmapConfig) -> None:
        self.config = config
        self.unsupported: dict[str, str] = {}
        """Method -> reason why it is not supported, by the network or because a library is missing."""
        self.failed: dict[str, str] = {}
        """Method -> error while it ran."""
        installed = []
        for name in methods.expand(config.method):
            try:
                methods.get(name)
                installed.append(name)
            except NotAvailableError as error:  # a library that is not installed
                self.unsupported[name] = str(error)
        self._methods = build_methods(installed)

    @property
    def unsupported_sentences(self) -> tuple[str, ...]:
        """A sentence for each method that is not supported."""
        return tuple(f"{name}: {reason}" for name, reason in self.unsupported.items())

    def explain(
        self, model: Classifier, samples: Sequence[Sample], max_bad_images: float
    ) -> Iterator[ExplainedImage]:
        """Explain the readable images among ``samples``, with one forward pass each, resized as in training.

        An unsupported method is tried only once. Raises ``LocusError`` if the share of unreadable images is larger than
        ``max_bad_images``, for an unknown layer, and if no method is supported.
        """
        config = self.config
        side = model.train_config.img_size
        for sample, pixels in readable_images(samples, max_bad_images, ", ".join(config.method)):
            resized = torch.from_numpy(resize_image(pixels, (side, side)).copy())
            batch = transforms.evaluation()(resized[None])
            in_bfloat16 = config.precision == "bf16"
            with torch.autocast(batch.device.type, torch.bfloat16, enabled=in_bfloat16):
                evidence = collect_evidence(
                    model, batch, layer=config.layer, memory_gib=config.memory_gib, progress=True
                )
            logits = evidence.logits[0]
            if model.train_config.exclusive(len(logits)):
                probabilities = logits.softmax(0)
            else:
                with torch.no_grad():
                    probabilities = model.predict(batch)[0].sigmoid()
            yield ExplainedImage(
                sample=sample,
                pixels=pixels,
                probabilities=probabilities.tolist(),
                likeliest=int(logits.argmax()),
                maps=self._maps(evidence),
                alignment=config.alignment,
            )

    def _maps(self, evidence: Evidence) -> dict[str, MethodMaps]:
        """Return the maps of all methods; a method that raises an error is noted with its reason and not run again."""
        maps = {}
        for name, answer in run_methods(self._methods, evidence).items():
            if isinstance(answer, NotAvailableError):
                self.unsupported[name] = str(answer)
            elif isinstance(answer, LocusError):
                self.failed[name] = str(answer)
            else:
                maps[name] = answer
        self._methods = {name: method for name, method in self._methods.items() if name in maps}
        if not maps:
            reasons = "; ".join([*self.unsupported_sentences, *self.failed.values()])
            raise NotAvailableError(f"no method has a map: {reasons}")
        return maps
