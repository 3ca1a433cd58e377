"""Requests for a method's maps, and their key: a hash of everything that the maps depend on.

A ``MapRequest`` has a method or baseline, the networks, the images in batches, and the file of the maps. The baselines
are in ``baselines``, the hashes of code in ``code``. ``generate`` answers requests.
"""

import hashlib
import inspect
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from locus import methods
from locus.benchmark.explain import VERSION
from locus.benchmark.maps.baselines import BASELINES, Prior, Truth
from locus.benchmark.maps.code import UNTRAINED_METHOD, method_code
from locus.benchmark.maps.runs import TrainingRun, select_samples, untrained
from locus.benchmark.maps.store import Index, file_name
from locus.benchmark.scoring.protocols import reads_absent_findings
from locus.config import MAPS, TrainConfig, flags_with
from locus.core import registry, user_code
from locus.core.errors import LocusError, one_line
from locus.core.files import json_hash
from locus.core.names import UNTRAINED
from locus.core.types import Sample
from locus.datasets.io import transforms
from locus.methods.base import Method

BATCH_SIZE = 32
"""Batch size of the networks."""


class Batch(NamedTuple):
    """A batch of images for one network."""

    run: TrainingRun
    """The training run whose network explains the images."""
    rows: tuple[int, ...]
    """Positions among its ``scorable_images``: those with a truth box."""
    findings: tuple[int, ...] | None
    """Indices of the findings to explain; None: all."""


@dataclass(frozen=True)
class MapRequest:
    """A request for the maps of one method on the held-out images of a model."""

    word: str
    """Name of the method with its options (a spec of ``locus.core.registry``), as on the command line."""
    runs: tuple[TrainingRun, ...]
    """The training runs of the model, one per fold if it has folds, each with its network and held-out images."""
    method: Method | Prior | Truth
    fast: bool
    """True if the method needs only the shared forward pass and gradients through the head."""
    batches: tuple[Batch, ...]
    """Batches of held-out images, in the order of processing."""
    path: Path
    """File of the maps, which may not exist; see ``locus.benchmark.maps``."""
    keys: tuple[str, ...]
    """Key of these maps, then the keys of stored maps that contain them: those of all findings and of all images."""

    @property
    def images(self) -> tuple[str, ...]:
        """The images in the order of the batches."""
        return tuple(run.scorable_images[row].image_id for run, rows, _ in self.batches for row in rows)

    @property
    def index(self) -> Index:
        """Key, images and findings of the maps."""
        shown = tuple(findings for _, rows, findings in self.batches if findings is not None for _ in rows)
        return Index(key=self.keys[0], images=self.images, findings=self.runs[0].data.findings, shown=shown)


def build_method(word: str) -> Method | Prior | Truth:
    """Build the method or baseline named ``word``, with its options.

    Raises ``NotAvailableError`` if it cannot be imported, another ``LocusError`` if its constructor fails.
    """
    try:
        if word in BASELINES:
            return BASELINES[word]()
        return methods.build(UNTRAINED_METHOD if word == UNTRAINED else word)
    except LocusError:
        raise
    except user_code.ANYTHING as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise LocusError(f"the method {word!r} cannot be created: {reason}") from error


def make_request(
    trained: Sequence[TrainingRun],
    word: str,
    method: Method | Prior | Truth,
    folder: Path,
    images: int | None = None,
    protocols: Sequence[str] = (),
) -> MapRequest:
    """Return the request of ``method`` = ``build_method(word)`` for the maps that ``protocols`` score on ``images``.

    Fast methods explain all findings of all images. Other methods explain only the ``images`` (None: all), and only the
    findings that each image shows if there are ``protocols`` and none of them reads maps of other findings.
    """
    fast = not isinstance(method, Method) or (method.is_fast() and method.smooth is None)
    in_part = not fast and bool(protocols) and not any(map(reads_absent_findings, protocols))
    runs = tuple(untrained(run) for run in trained) if word == UNTRAINED else tuple(trained)
    batches, keys = [], []
    for count in dict.fromkeys((None if fast else images, None)):
        chosen = tuple(sample.image_id for sample in select_samples(trained, count))
        batches.append(tuple(_batches(runs, frozenset(chosen), in_part)))
        of_all_findings = _key(runs, word, type(method), chosen)
        keys += [_key_of_part(of_all_findings, batches[-1]), of_all_findings] if in_part else [of_all_findings]
    return MapRequest(word, runs, method, fast, batches[0], folder / file_name(word), tuple(keys))


def _batches(runs: Sequence[TrainingRun], images: Set[str], in_part: bool) -> Iterator[Batch]:
    """Yield batches of all findings, or if explained ``in_part`` single images with the findings that they show."""
    for run in runs:
        rows = [row for row, sample in enumerate(run.scorable_images) if sample.image_id in images]
        if in_part:
            for row in rows:
                if findings := shown_findings(run.scorable_images[row], run.data.findings):
                    yield Batch(run, (row,), findings)
        else:
            parts = (tuple(rows[start : start + BATCH_SIZE]) for start in range(0, len(rows), BATCH_SIZE))
            yield from (Batch(run, part, None) for part in parts)


def shown_findings(sample: Sample, findings: Sequence[str]) -> tuple[int, ...]:
    """Return indices of the ``findings`` with a truth box; protocols without false alarms score no others."""
    return tuple(k for k, finding in enumerate(findings) if finding in sample.boxes)


def _key(trained: Sequence[TrainingRun], word: str, part: type, images: Sequence[str]) -> str:
    """Hash weights and code of the networks, the pixels, the method with its options and code, and the version."""
    flags = sorted(flags_with(TrainConfig, MAPS))
    networks = [[run.digest, run.code, *(getattr(run.config, name) for name in flags)] for run in trained]
    pixels = [run.pixels_digest for run in trained]
    truth = [_truth(run) for run in trained] if word in BASELINES else []
    method = (part.__name__, _options(word, part), method_code(word))
    return json_hash([networks, pixels, _preprocessing(), images, truth, *method, VERSION])


def _key_of_part(key: str, batches: Sequence[Batch]) -> str:
    """Hash the ``key`` of all findings with the findings that are explained on each image."""
    return json_hash([key, [[run.scorable_images[row].image_id, findings] for run, (row,), findings in batches]])


def _options(word: str, part: type) -> dict[str, str]:
    """Return all constructor arguments, including defaults, since a changed default changes the maps."""
    bare, smooth = methods.split_smooth(word)
    call = inspect.signature(part).bind(**({} if user_code.runs_code(word) else registry.options(bare)))
    call.apply_defaults()
    return {name: repr(value) for name, value in {**call.arguments, "smooth": smooth}.items()}


def _preprocessing() -> str:
    """Return a digest of the evaluation transform applied to every grey value."""
    values = transforms.evaluation()(torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16))
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()[:16]


def _truth(run: TrainingRun) -> list[Any]:
    """Return the truth that baselines use, as values that can be hashed."""
    boxes = [[s.frame, {finding: array.tolist() for finding, array in s.boxes.items()}] for s in run.scorable_images]
    return [run.data.describe, boxes]
