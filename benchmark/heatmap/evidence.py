"""What a model and the methods make of one image, before anything of it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

import methods
from backbones import Classifier
from benchmark.engine import gather, run_methods
from benchmark.engine.run import MethodMaps
from benchmark.explain import build_methods
from config import HeatmapConfig, TrainConfig
from core.errors import LocusError, NotAvailableError
from core.frames import resize_image
from datasets.io import transforms
from methods.evidence import Evidence

ADVICE = "lower --memory_gib, ask for fewer --method at once, or write --precision bf16"
"""What to change where memory is short."""


class Methods:
    """The methods asked for, and why some of them have no answer for the model."""

    def __init__(self, words: Sequence[str]) -> None:
        self.absent: dict[str, str] = {}
        self.broken: dict[str, str] = {}
        installed = []
        for word in methods.expand(words):
            try:
                methods.get(word)
                installed.append(word)
            except NotAvailableError as error:  # somebody's library that is not installed
                self.absent[word] = str(error)
        self.parts = build_methods(installed)

    @property
    def without_answer(self) -> tuple[str, ...]:
        """A sentence for each method without an answer."""
        return tuple(f"{word}: {reason}" for word, reason in self.absent.items())

    def maps(self, evidence: Evidence) -> dict[str, MethodMaps]:
        """Word -> maps and grid; a method that has no answer is asked no more. Raises when none has one."""
        answers = run_methods(self.parts, evidence)
        for word, answer in answers.items():
            if isinstance(answer, NotAvailableError):
                self.absent[word] = str(answer)
            elif isinstance(answer, LocusError):
                self.broken[word] = str(answer)
        made = {word: answer for word, answer in answers.items() if not isinstance(answer, LocusError)}
        self.parts = {word: part for word, part in self.parts.items() if word in made}
        if not made:
            raise NotAvailableError(f"no map can be made; {'; '.join([*self.without_answer, *self.broken.values()])}")
        return made


@dataclass(frozen=True, eq=False)
class ImageEvidence:
    """What the model makes of one image."""

    evidence: Evidence
    probabilities: list[float]
    """Of each finding."""


def gather_evidence(
    model: Classifier, pixels: NDArray[np.uint8], train_config: TrainConfig, config: HeatmapConfig
) -> ImageEvidence:
    """One forward pass of the (H,W) ``pixels``, resized as in the model's training."""
    small = resize_image(pixels, (train_config.img_size, train_config.img_size))
    images = transforms.evaluation()(torch.from_numpy(small.copy())[None])
    with torch.autocast(images.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        evidence = gather(model, images, layer=config.layer, memory_gib=config.memory_gib, progress=True)
    logits = evidence.logits[0]
    probabilities = logits.softmax(0) if train_config.exclusive(len(logits)) else logits.sigmoid()
    return ImageEvidence(evidence, probabilities.tolist())
