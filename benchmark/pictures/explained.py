"""Explain images with a finished network and methods, before anything is drawn: test images or files of the user."""

import functools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

import datasets
import methods
from backbones import Classifier
from benchmark.explain import MethodMaps, apply_engine_flags, build_methods, collect_evidence, run_methods
from benchmark.pictures.case import RawMap
from benchmark.training import load
from benchmark.training.listing import load_split
from config import HeatmapConfig, TrainConfig
from core.errors import DataError, LocusError, NotAvailableError, examples
from core.frames import Alignment, resize_image
from core.types import Sample
from datasets.io import images as decoding
from datasets.io import preprocess, transforms
from methods.evidence import Evidence

log = logging.getLogger(__name__)
ADVICE = "lower --memory_gib, use fewer methods at once, or use --precision bf16"
"""Advice if memory runs out."""


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
    model = apply_engine_flags(checkpoint.network(config.trust), config)
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


def readable_images(
    samples: Sequence[Sample], max_bad_images: float, methods: str
) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    """Yield the samples with their pixels; unreadable files are left out and counted in a warning.

    ``methods``: their names, for a log line. Raises ``DataError`` if the share of unreadable images is larger than
    ``max_bad_images``, or none is left.
    """
    readable, bad = [], []
    log.info("explaining %d images with %s", len(samples), methods)
    # read all images once before anything is written, without storing them: a folder may be large
    for sample in tqdm(samples, desc="read", unit="image", leave=False, disable=None):
        try:
            sample.read()
            readable.append(sample)
        except DataError as error:
            bad.append(str(error))
    if len(bad) > max_bad_images * len(samples):
        named = examples(bad, 1)
        raise DataError(f"{len(bad)} of {len(samples)} images cannot be read, more than --max_bad_images: {named}")
    if bad:
        log.warning("%d of %d images left out: %s", len(bad), len(samples), examples(bad))
    bar = tqdm(readable, desc="explain", unit="image", leave=False, disable=None)
    yield from ((sample, sample.image) for sample in bar)


def dataset_images(recipe: TrainConfig, root: str | None, count: int) -> list[Sample]:
    """Return the first ``count`` test images of a network's data set, those with a truth box if it has any."""
    test = load_split(replace(recipe, data_root_dir=root or recipe.data_root_dir), "test")
    if boxed := [sample for sample in test if sample.boxes][:count]:
        return boxed
    log.info("no test image of %s has a truth box: the first images are explained, without truth", recipe.dataset)
    return list(test[:count])


def users_images(path: Path, steps: str) -> list[Sample]:
    """Return a file or all images of a folder as samples without labels and truth, preprocessed by ``steps``.

    The frame is that of the file. Raises ``DataError`` if there is no image.
    """
    if not path.exists():
        raise DataError(f"image file or folder {str(path)!r} not found")
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in decoding.SUFFIXES)
    if not files:
        raise DataError(f"the folder {str(path)!r} has no image file ({', '.join(decoding.SUFFIXES)})")
    return [preprocess.one(_sample(file), steps) for file in files]


def uploaded_image(name: str, content: bytes, steps: str) -> Sample:
    """Return an image in memory as a sample without labels and truth, preprocessed by ``steps``.

    ``content``: the bytes of a PNG, JPEG or DICOM file, by the suffix of ``name``.
    """
    return preprocess.one(_sample(Path(name), content), steps)


def _sample(file: Path, content: bytes | None = None) -> Sample:
    read = functools.partial(decoding.decode, file, content)
    source = str(file) if content is None else ""
    return Sample(file.name, file.name, (0, 0), np.zeros(0, np.float32), {}, read, source=source)
