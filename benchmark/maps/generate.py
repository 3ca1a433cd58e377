"""Generate and store the maps of trained models: one forward pass per batch for all fast methods."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from backbones import Classifier
from benchmark.explain import MethodMaps, apply_engine_flags, collect_evidence, run_methods
from benchmark.maps.baselines import Prior, Truth
from benchmark.maps.requests import MapRequest
from benchmark.maps.trained import TrainingRun
from benchmark.maps.writer import Writer, open_writer, write_unsupported
from config import EngineFlags
from core.errors import BadValueError, LocusError, NotAvailableError
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
    """Explain and write batch by batch, so that memory does not grow with the number of images.

    A method that fails, or whose maps change in shape or grid, is dropped with its maps of earlier batches; the others
    continue.
    """
    log.info("explaining %d images with %s", len(requests[0].images), ", ".join(request.word for request in requests))
    batches = tqdm(requests[0].batches, desc="explain", unit="batch", leave=False, disable=None)
    findings = requests[0].runs[0].data.findings
    running = {request.word: request for request in requests}
    broken: dict[str, LocusError] = {}
    with ExitStack() as all_files:
        files = {word: all_files.enter_context(ExitStack()) for word in running}
        writers = {
            word: files[word].enter_context(open_writer(r.path, r.key, r.images, findings, r.shown))
            for word, r in running.items()
        }
        for batch in batches:
            if not running:
                break
            methods = {word: r.method for word, r in running.items() if isinstance(r.method, Method)}
            for word, answer in run_methods(methods, networks.evidence(*batch)).items():
                if (error := _add(word, answer, writers[word])) is None:
                    continue
                request = running.pop(word)
                with suppress(LocusError), files[word]:
                    raise error  # an error inside the block discards the file
                if isinstance(error, NotAvailableError):
                    write_unsupported(request.path, request.key, request.images, findings, reason=str(error))
                else:
                    log.warning("%s", error)
                    broken[word] = LocusError(str(error))  # without the traceback, which refers to tensors
    return broken


def _add(word: str, answer: MethodMaps | LocusError, writer: Writer) -> LocusError | None:
    """Write the maps of a batch; return the error of a method without maps or with maps unlike the earlier ones."""
    if isinstance(answer, LocusError):
        return answer
    try:
        writer.add(answer.maps.cpu().numpy(), answer.grid)
    except BadValueError as error:
        return LocusError(f"the method {word!r} failed: {error}")
    return None


def _draw(request: MapRequest, baseline: Prior | Truth, networks: "_Networks") -> None:
    """Write the maps of a baseline, which only needs the model's grid."""
    samples = [sample for run in request.runs for sample in run.scorable_images]
    findings, boxed = request.runs[0].data.findings, next(run for run in request.runs if run.scorable_images)
    one = networks.evidence(boxed, [0])  # for the grid and the shape of the feature maps
    with open_writer(request.path, request.key, request.images, findings) as writer:
        writer.add(*baseline.maps(samples, findings, one.grid, (one.A.shape[-2], one.A.shape[-1])))


@dataclass
class _Networks:
    """Networks of a model, each loaded once."""

    flags: EngineFlags
    models: dict[TrainingRun, Classifier] = field(default_factory=dict)

    def evidence(self, run: TrainingRun, rows: Sequence[int], findings: Sequence[int] | None = None) -> Evidence:
        """Return evidence for a batch of one training run's images, from the cache of decoded pixels."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if run not in self.models:
            self.models[run] = apply_engine_flags(run.model(device), self.flags)
        batch = torch.from_numpy(run.pixels[list(rows)]).to(device)
        images = transforms.evaluation()(batch)
        return collect_evidence(self.models[run], images, findings, memory_gib=self.flags.memory_gib, progress=True)
