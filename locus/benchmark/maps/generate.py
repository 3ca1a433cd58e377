"""Load the stored maps of a model's methods, and generate missing ones.

``requests_of`` lists the maps that the methods of a model need, ``load_or_generate`` returns them. ``generate``
computes and writes them batch by batch, with one forward pass per batch for all fast methods. How a batch is explained
is in ``locus.benchmark.explain``, the key of a request in ``requests``, the files in ``store``.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from locus.backbones import Classifier
from locus.benchmark.explain import MethodMaps, apply_engine_flags, collect_evidence, run_methods
from locus.benchmark.maps.baselines import Prior, Truth
from locus.benchmark.maps.requests import MapRequest, build_method, make_request
from locus.benchmark.maps.runs import TrainingRun, select_samples
from locus.benchmark.maps.store import StoredMaps, Writer, open_writer, read, write_unsupported
from locus.config import EngineFlags
from locus.core.errors import BadValueError, DataError, LocusError, NoImagesError, NotAvailableError
from locus.datasets.io import transforms
from locus.methods.base import Method
from locus.methods.evidence import Evidence

log = logging.getLogger(__name__)
PROGRESS: ContextVar[bool | None] = ContextVar("PROGRESS", default=None)
"""Whether a bar is shown while images are explained; None: on a terminal."""


@contextmanager
def showing(progress: bool | None) -> Iterator[None]:
    """Show a bar, or none, while images are explained within the block; None: on a terminal."""
    token = PROGRESS.set(progress)
    try:
        yield
    finally:
        PROGRESS.reset(token)


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
    names = requests[0].word if len(requests) == 1 else f"{len(requests)} methods"
    shown = PROGRESS.get()
    bar = tqdm(
        desc=f"explain {names}",
        total=len(requests[0].images),
        unit="image",
        leave=False,
        disable=None if shown is None else not shown,
    )
    running = {request.word: request for request in requests}
    broken: dict[str, LocusError] = {}
    with bar, ExitStack() as all_files:
        files = {word: all_files.enter_context(ExitStack()) for word in running}
        writers = {word: files[word].enter_context(open_writer(r.path, r.index)) for word, r in running.items()}
        for batch in requests[0].batches:
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
                    write_unsupported(request.path, request.index, str(error))
                else:
                    log.warning("%s", error)
                    broken[word] = LocusError(str(error))  # without the traceback, which refers to tensors
            bar.update(len(batch[1]))
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
    with open_writer(request.path, request.index) as writer:
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


StoredMapsByMethod = dict[str, StoredMaps | LocusError]
"""Method with its options (``MapRequest.word``) -> its stored maps, or its error.

``NotAvailableError``: the method does not support this model. Other errors: it failed, and the next run tries again.
"""


class NotStoredError(DataError):
    """Raised if maps are not on disk and must not be generated; for an unsupported method: ``NotAvailableError``."""


def requests_of(
    trained: Sequence[TrainingRun],
    method_names: Sequence[str],
    folder: Path,
    images: int | None = None,
    protocols: Sequence[str] = (),
) -> tuple[list[MapRequest], StoredMapsByMethod]:
    """Return a request for the maps of each method in ``folder``, and the errors of methods that cannot be built.

    Args:
        trained: the training runs of the model (which has one seed), one per fold if it has folds, each with its
            held-out images.
        method_names: methods, with their options, and baselines.
        folder: folder of the maps.
        images: number of images that are scored; None: all.
        protocols: the protocols that score the maps; empty: not restricted. See ``make_request``.

    Raises:
        DataError: no held-out image has a truth box.
    """
    if not select_samples(trained, None):
        raise DataError(f"no test image of {trained[0].config.dataset} has a truth box, so nothing can be scored")
    requests: list[MapRequest] = []
    broken: StoredMapsByMethod = {}
    for word in method_names:
        try:
            requests.append(make_request(trained, word, build_method(word), folder, images, protocols))
        except LocusError as error:
            broken[word] = error
    return requests, broken


def validation_requests(trained: Sequence[TrainingRun], method_names: Sequence[str], folder: Path) -> list[MapRequest]:
    """Return requests for the fast methods' maps of the validation images.

    There are none without validation images, or if none of them has a truth box, as in the official NIH lists.
    """
    runs = [run.validation for run in trained]
    try:
        boxed = any(sample.boxes for sample in select_samples(runs, None))
    except NoImagesError:
        return []
    if not boxed:
        return []
    return [request for request in requests_of(runs, method_names, folder)[0] if request.fast]


def load_or_generate(requests: Sequence[MapRequest], flags: EngineFlags | None) -> StoredMapsByMethod:
    """Return the maps of ``requests``; missing maps are generated with ``flags``, or give a ``NotStoredError``."""
    stored = {request.word: _read(request) for request in requests}
    missing = [request for request in requests if stored[request.word] is None]
    broken: StoredMapsByMethod = {}
    if missing and flags is not None:
        broken |= generate(missing, flags)
        stored |= {r.word: _read(r) for r in missing if r.word not in broken}
    return {r.word: broken.get(r.word) or stored[r.word] or _absent(r, flags) for r in requests}


def _read(request: MapRequest) -> StoredMaps | NotAvailableError | None:
    return read(request.path, request.keys)


def _absent(request: MapRequest, flags: EngineFlags | None) -> DataError:
    if flags is None:
        return NotStoredError(f"{request.path.parent} has no maps of these weights, images and version of the code")
    return DataError(f"another run with other code replaced the maps in {request.path}: try again when it is finished")
