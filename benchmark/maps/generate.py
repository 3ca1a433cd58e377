"""Generate and store the maps of trained models: one forward pass per batch for all fast methods."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from backbones import Classifier
from benchmark.explain import MethodMaps, gather, prepare, run_methods
from benchmark.maps.baselines import Prior, Truth
from benchmark.maps.requests import MapRequest
from benchmark.maps.trained import TrainingRun
from benchmark.maps.writer import Writer, open_writer, write_no_maps
from config import EngineFlags
from core.errors import BadValueError, LocusError, NotAvailableError
from core.frames import Grid
from datasets.io import transforms
from methods.base import Evidence, Method

log = logging.getLogger(__name__)


def generate(requests: Sequence[MapRequest], flags: EngineFlags) -> dict[str, LocusError]:
    """Write the maps of ``requests``, or the reason if a method does not support its networks.

    Returns word -> error of the failed methods. Nothing is written for them, so the next run tries again. Fast methods
    share forward passes. Each slow method is written before the next one begins, so a killed run keeps it.
    """
    networks = _Networks(flags)
    together: dict[object, list[MapRequest]] = {}
    for request in requests:
        if isinstance(request.method, Method):
            together.setdefault(request.runs if request.fast else request.word, []).append(request)
    broken: dict[str, LocusError] = {}
    for group in sorted(together.values(), key=lambda group: not group[0].fast):
        broken |= _explain(group, networks)
    for request in requests:
        if not isinstance(request.method, Method):
            _draw(request, request.method, networks)
    return broken


def _explain(requests: Sequence[MapRequest], networks: "_Networks") -> dict[str, LocusError]:
    """Explain and write batch by batch, so that memory does not grow with the number of images."""
    log.info("explaining %d images with %s", len(requests[0].images), ", ".join(request.word for request in requests))
    batches = tqdm(requests[0].batches, desc="explain", unit="batch", leave=False, disable=None)
    with ExitStack() as open_files:
        files = _Files({request.word: request for request in requests}, requests[0].runs[0].data.findings, open_files)
        for batch in batches:
            if not (parts := files.parts()):
                break
            for word, answer in run_methods(parts, networks.evidence(*batch)).items():
                files.receive(word, answer)
    return files.broken


@dataclass
class _Files:
    """Open files of maps, one per supported request."""

    requests: dict[str, MapRequest]
    """Word -> request of the methods that have not failed."""
    findings: tuple[str, ...]
    stack: ExitStack
    writers: dict[str, tuple[Writer, ExitStack]] = field(default_factory=dict)
    broken: dict[str, LocusError] = field(default_factory=dict)

    def parts(self) -> dict[str, Method]:
        """Return word -> method of the requests that have not failed."""
        return {word: request.method for word, request in self.requests.items() if isinstance(request.method, Method)}

    def receive(self, word: str, answer: MethodMaps | LocusError) -> None:
        """Write the maps of a batch, or the reason why there are none.

        A method whose maps change in shape or grid is dropped; the others continue.
        """
        if isinstance(answer, LocusError):
            self._drop(self.requests.pop(word), answer)
            return
        try:
            self._writer(self.requests[word]).add(answer.maps.cpu().numpy(), answer.grid)
        except BadValueError as error:
            self._drop(self.requests.pop(word), LocusError(f"the method {word!r} failed: {error}"))

    def _writer(self, request: MapRequest) -> Writer:
        if request.word not in self.writers:
            file = self.stack.enter_context(ExitStack())
            about = request.images, self.findings, request.shown
            writer = file.enter_context(open_writer(request.path, request.key, *about))
            self.writers[request.word] = writer, file
        return self.writers[request.word][0]

    def _drop(self, request: MapRequest, error: LocusError) -> None:
        """Discard all maps of this method, including those of earlier batches."""
        if request.word in self.writers:
            with suppress(LocusError), self.writers.pop(request.word)[1]:
                raise error  # an error inside the block discards the file
        if isinstance(error, NotAvailableError):
            write_no_maps(request.path, request.key, request.images, self.findings, reason=str(error))
        else:
            log.warning("%s", error)
            self.broken[request.word] = LocusError(str(error))  # without the traceback, which refers to tensors


def _draw(request: MapRequest, baseline: Prior | Truth, networks: "_Networks") -> None:
    """Write the maps of a baseline, which only needs the model's grid."""
    samples = [sample for run in request.runs for sample in run.scorable_images]
    findings, boxed = request.runs[0].data.findings, next(run for run in request.runs if run.scorable_images)
    with open_writer(request.path, request.key, request.images, findings) as writer:
        writer.add(*baseline.maps(samples, findings, *networks.positions(boxed)))


@dataclass
class _Networks:
    """Networks of a model, each loaded once."""

    flags: EngineFlags
    models: dict[TrainingRun, Classifier] = field(default_factory=dict)
    grids: dict[TrainingRun, tuple[Grid, tuple[int, int]]] = field(default_factory=dict)

    def positions(self, run: TrainingRun) -> tuple[Grid, tuple[int, int]]:
        """Return the grid and the shape of a network's feature maps, computed once from one image."""
        if run not in self.grids:
            one = self.evidence(run, [0])
            self.grids[run] = one.grid, (one.A.shape[-2], one.A.shape[-1])
        return self.grids[run]

    def evidence(self, run: TrainingRun, rows: Sequence[int], findings: Sequence[int] | None = None) -> Evidence:
        """Return evidence for a batch of one training run's images, from the cache of decoded pixels."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if run not in self.models:
            self.models[run] = prepare(run.model(device), self.flags)
        batch = torch.from_numpy(run.pixels[list(rows)]).to(device)
        images = transforms.evaluation()(batch)
        return gather(self.models[run], images, findings, memory_gib=self.flags.memory_gib, progress=True)
