"""Which maps a method has to provide, and their key on disk: a hash of all that they depend on."""

import hashlib
import inspect
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

import methods
from benchmark import maps as store
from benchmark.engine import VERSION
from benchmark.maps import untrained
from benchmark.maps.baselines import BASELINES, Prior, Truth
from benchmark.maps.trained import TrainingRun, select_samples
from core import registry, user_code
from core.errors import LocusError, one_line
from core.files import key
from core.names import UNTRAINED
from core.types import Sample
from datasets.io import transforms
from datasets.lungs import lung_reader
from methods import smoothing
from methods.base import Method

NETWORK = ("backbone", "global_pool", "lse_gamma", "attention_map", "img_size")
"""Flags of a training that decide the network's maps beside its weights."""
BATCH_SIZE = 32
"""Images that go through a network at once."""


class Batch(NamedTuple):
    """Images that go through a network together."""

    run: TrainingRun
    """The network."""
    rows: tuple[int, ...]
    """Positions among its ``scorable_images``."""
    findings: tuple[int, ...] | None
    """Positions of the findings that are explained; None: all."""


@dataclass(frozen=True)
class MapRequest:
    """The maps of one method for the held-out images of a model."""

    word: str
    """The method with its options, as a user writes it."""
    runs: tuple[TrainingRun, ...]
    """The networks that are explained, with their images."""
    method: Method | Prior | Truth
    fast: bool
    """Whether it costs no more than the one forward pass that it shares with others."""
    batches: tuple[Batch, ...]
    """Which of the held-out images, as they go through the networks."""
    path: Path
    """The .npy file of the maps, there or not: see ``benchmark.maps``."""
    key: str
    key_of_all: str
    """The key of the same images' maps of all findings."""

    @property
    def images(self) -> tuple[str, ...]:
        """The images in the order of the batches."""
        return tuple(run.scorable_images[row].image_id for run, rows, _ in self.batches for row in rows)

    @property
    def shown(self) -> tuple[tuple[int, ...], ...]:
        """Per image the positions of the findings that are explained; nothing: all findings of all images."""
        return tuple(findings for _, rows, findings in self.batches if findings is not None for _ in rows)

    def shard(self, number: int, count: int) -> "MapRequest":
        """Part ``number`` of ``count`` in a file of its own: whole batches, so that its maps are the same."""
        first, last = (len(self.batches) * n // count for n in (number - 1, number))
        path, key_ = self.shards / f"{number}-of-{count}.npy", key([self.key, number, count])
        return replace(self, batches=self.batches[first:last], path=path, key=key_, key_of_all=key_)

    @property
    def shards(self) -> Path:
        """The folder of its parts."""
        return self.path.with_suffix(".shards")


def build_method(word: str) -> Method | Prior | Truth:
    """The method or baseline behind a word.

    Raises ``NotAvailableError`` for one that cannot be imported, another ``LocusError`` for one that breaks.
    """
    try:
        if word in BASELINES:
            return BASELINES[word]()
        return methods.build(untrained.METHOD if word == UNTRAINED else word)
    except LocusError:
        raise
    except user_code.ANYTHING as error:
        reason = one_line(error)
        broke = f"the method {word!r} broke before it was asked anything"
        raise LocusError(f"{broke}: {type(error).__name__}: {reason}") from error


def make_request(
    trained: Sequence[TrainingRun],
    word: str,
    method: Method | Prior | Truth,
    folder: Path,
    slow_images: int | None,
    shown_only: bool = False,
) -> MapRequest:
    """The maps of ``method``, which is ``build_method(word)``: of all images, or ``slow_images`` if it is not fast.

    With ``shown_only`` one that is not fast explains each image by itself, the findings that it shows alone.
    """
    fast = not isinstance(method, Method) or (method.is_fast() and method.smooth is None)
    images = tuple(sample.image_id for sample in select_samples(trained, None if fast else slow_images))
    runs = tuple(untrained.of(run) for run in trained) if word == UNTRAINED else tuple(trained)
    path, of_all = folder / store.file_name(word), _key(runs, word, type(method), images)
    if fast or not shown_only:
        return MapRequest(word, runs, method, fast, tuple(_batches(runs, frozenset(images))), path, of_all, of_all)
    batches = tuple(_batches_of_shown(runs, frozenset(images)))
    key_ = key([of_all, [[run.scorable_images[row].image_id, findings] for run, (row,), findings in batches]])
    return MapRequest(word, runs, method, fast, batches, path, key_, of_all)


def _batches(runs: Sequence[TrainingRun], images: Set[str]) -> Iterator[Batch]:
    for run in runs:
        rows = [row for row, sample in enumerate(run.scorable_images) if sample.image_id in images]
        parts = (tuple(rows[start : start + BATCH_SIZE]) for start in range(0, len(rows), BATCH_SIZE))
        yield from (Batch(run, part, None) for part in parts)


def _batches_of_shown(runs: Sequence[TrainingRun], images: Set[str]) -> Iterator[Batch]:
    for run in runs:
        for row, sample in enumerate(run.scorable_images):
            findings = shown_findings(sample, run.data.findings)
            if sample.image_id in images and findings:
                yield Batch(run, (row,), findings)


def shown_findings(sample: Sample, findings: Sequence[str]) -> tuple[int, ...]:
    """Positions of the ``findings`` that an image shows: with a truth box, or labelled on an image with lungs.

    These pairs alone are scored by protocols that count no false alarms.
    """
    has_lungs = lung_reader(sample) is not None
    shown = ((k, finding, label == 1) for k, (finding, label) in enumerate(zip(findings, sample.labels, strict=True)))
    return tuple(k for k, finding, positive in shown if finding in sample.boxes or (has_lungs and positive))


def _key(trained: Sequence[TrainingRun], word: str, part: type, images: Sequence[str]) -> str:
    """Of the networks and their weights, the pixels, the method with its options and its code, and the engine."""
    networks = [[run.digest, *(getattr(run.config, name) for name in NETWORK)] for run in trained]
    pixels = [run.pixels_digest for run in trained]
    truth = [_truth(run) for run in trained] if word in BASELINES else []
    method = (part.__name__, _options(word, part), store.code_digest(part))
    return key([networks, pixels, _preprocessing(), images, truth, *method, VERSION])


def _options(word: str, part: type) -> dict[str, str]:
    """The constructor's arguments, those that the word does not state too: a changed default is another method."""
    bare, smooth = methods.split_smooth(word)
    call = inspect.signature(part).bind(**({} if user_code.runs_code(word) else registry.options(bare)))
    call.apply_defaults()
    smoothed = {"smooth": smooth, "by": store.code_digest(type(smoothing.get(smooth)))} if smooth else {}
    return {name: repr(value) for name, value in {**call.arguments, **smoothed}.items()}


def _preprocessing() -> str:
    """What the evaluation transform makes of every gray value."""
    values = transforms.evaluation()(torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16))
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()[:16]


def _truth(run: TrainingRun) -> list[Any]:
    """What the baselines see."""
    boxes = [[s.frame, {finding: array.tolist() for finding, array in s.boxes.items()}] for s in run.scorable_images]
    return [run.data.describe, boxes]
