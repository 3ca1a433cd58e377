"""Explain images with a finished network and methods, before anything is drawn: test images or files of the user.

``checkpoint_of``, ``open_network``  choose the run (by path, or the newest of a backbone) and build its network
``dataset_images``, ``users_images``, ``uploaded_image``  the images
``Explainer``   runs the methods, and lists those that are not supported
``Thresholds``  score threshold of the drawn boxes: from the command line, chosen by a suite, or .5

Maps are computed by ``locus.benchmark.explain``, pictures are drawn by ``case`` and ``heat_maps``.
"""

import contextlib
import functools
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from locus import datasets, methods
from locus.backbones import Classifier, weight_files
from locus.backbones.catalog import resolve
from locus.benchmark import opening
from locus.benchmark.explain import MethodMaps, apply_engine_flags, build_methods, collect_evidence, run_methods
from locus.benchmark.pictures.panels import RawMap
from locus.benchmark.training import runs
from locus.benchmark.training.runs import load_split
from locus.config import HeatmapConfig, TrainConfig
from locus.core.cli import read_yaml
from locus.core.errors import DataError, LocusError, NotAvailableError, examples
from locus.core.frames import Alignment, resize_image
from locus.core.names import MAIN_PROTOCOL, match
from locus.core.types import Sample
from locus.datasets.io import images as decoding
from locus.datasets.io import preprocess, transforms
from locus.methods.evidence import Evidence

log = logging.getLogger(__name__)
ADVICE = "lower --memory_gib, use fewer methods at once, or use --precision bf16"
"""Advice if memory runs out."""
DEFAULT_BOX_THRESHOLD = 0.5
"""Threshold of boxes if no other is known."""
THRESHOLD_SOURCES = ("validation", "cross-fitted")
"""Origins of a record's thresholds, the preferred one first."""


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


def open_network(path: Path, config: HeatmapConfig, image: str | None) -> tuple[opening.Checkpoint, Classifier]:
    """Read a checkpoint or run folder, build its network and log its description.

    Warns if a network trained on findings drawn by code explains a user's ``image``.
    """
    checkpoint = opening.checkpoint(path)
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
            exclusive = model.train_config.exclusive(len(logits))
            with torch.no_grad():
                probabilities = logits.softmax(0) if exclusive else model.predict(images)[0].sigmoid()
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
    """Return ``count`` test images of a network's data set, those with a truth box if it has any.

    They are the first images of different patients, then, if there are too few patients, the first of the others.
    """
    test = load_split(replace(recipe, data_root_dir=root or recipe.data_root_dir), "test")
    if boxed := [sample for sample in test if sample.boxes]:
        first = {sample.patient_id: sample for sample in reversed(boxed)}  # patient -> its first image
        others = [sample for sample in boxed if first[sample.patient_id] is not sample]
        return [*reversed(first.values()), *others][:count]
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


def checkpoint_of(word: str, label: str | None, folder: Path) -> Path:
    """Return the checkpoint for ``word``: a path, or the newest run in ``folder`` with that backbone.

    Runs with the finding ``label`` are preferred. Raises ``DataError`` if there is no run.
    """
    if _is_path(word):
        return Path(word)
    backbone_name = _backbone(word)
    backbones = {path: _backbone_of_run(path.parent / "config.yaml") for path in runs.finished(folder)}
    same = [path for path, backbone in backbones.items() if backbone == backbone_name]
    if same:
        return next((path for path in same if label is None or _has_finding(path, label)), same[0])
    available = ", ".join(sorted(set(backbones.values()))) or "none"
    raise DataError(
        f"no finished run in {folder}/ has the backbone {backbone_name} (available: {available}): "
        "train one, or write the path of a checkpoint"
    )


def _is_path(word: str) -> bool:
    """Whether a word is the path of a checkpoint or a run folder; other folders may have the name of a backbone."""
    path = Path(word)
    return path.suffix == ".ckpt" or len(path.parts) > 1 or path.is_file() or (path / "config.yaml").is_file()


def _backbone(name: str) -> str:
    """Return the registered name of a backbone, without options. Raises ``UnknownNameError``."""
    return resolve(weight_files.resolve(name, False)[0].split(":")[0])


def _has_finding(checkpoint: Path, label: str) -> bool:
    """Whether a run has a finding that matches the label."""
    with contextlib.suppress(LocusError):
        match(label, opening.checkpoint(checkpoint).findings)
        return True
    return False


def _backbone_of_run(path: Path) -> str:
    """Return the registered name of the backbone in the flags of a run; "unknown" if it cannot be read."""
    try:
        return _backbone(str(read_yaml(path).get("backbone")))
    except LocusError:
        return "unknown"


class Thresholds:
    """Thresholds for the pictures of one network.

    They apply to maps that are min-max scaled to [0,1]. The order of preference: a threshold of the command line, one
    that a suite chose on validation images, the median of those chosen by fold, and ``DEFAULT_BOX_THRESHOLD``.
    """

    def __init__(
        self, digest: str, runs: Path, alignment: str = "aligned", layer: str | None = None, typed: float | None = None
    ) -> None:
        """Read the thresholds for the weights with a ``digest`` from the records in or next to the folder ``runs``.

        Suites store none for an earlier ``layer``. A ``typed`` threshold, from the command line, applies to all maps.
        """
        self.typed = typed
        results = tuple(folder / "results" for folder in (*reversed(runs.parents[:3]), runs))
        self.recorded = _recorded(digest, alignment, results) if layer is None else {}

    def lookup(self, method: str, finding: str) -> tuple[float, str]:
        """Return the threshold on the min-max scaled map, and a description of its source."""
        if self.typed is not None:
            return self.typed, "typed"
        for threshold_source in THRESHOLD_SOURCES:
            if values := self.recorded.get(method, {}).get(threshold_source, {}).get(finding):
                return median(values), threshold_source if len(
                    values
                ) == 1 else f"{threshold_source}, median of {len(values)}"
        return DEFAULT_BOX_THRESHOLD, "fixed"


@functools.lru_cache(maxsize=4)
def _recorded(digest: str, alignment: str, results: tuple[Path, ...]) -> dict[str, Any]:
    """Return method -> source -> finding -> thresholds, from published records, then ``results``; the last one wins."""
    from locus.benchmark import records  # imports pyarrow, which one image does not need
    from locus.benchmark.records import packed

    thresholds: dict[str, Any] = {}
    for folder in (suite for home in dict.fromkeys((Path("results"), *results)) for suite in records.suites(home)):
        for text in packed.records_containing(folder, digest):
            record = json.loads(text)
            cell = record["cell"]
            scored = digest in record["checkpoints"] and record["status"] == "ok" and "images" not in cell["data"]
            if scored and (cell["protocol"], cell["alignment"]) == (MAIN_PROTOCOL, alignment):
                thresholds[cell["method"]] = record["thresholds"]
    return thresholds
