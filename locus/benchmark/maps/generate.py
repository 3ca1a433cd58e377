"""Load the stored maps of a model's methods, and generate missing ones.

A ``MapRequest`` has a method or baseline, the networks, the images in batches, the file of the maps, and their key: a
hash of everything that they depend on. ``requests_of`` lists the maps that the methods of a model need,
``load_or_generate`` returns them. ``generate`` computes and writes them batch by batch, with one forward pass per batch
for all fast methods. How a batch is explained is in ``locus.explaining``, the files are in ``store``.
"""

import hashlib
import inspect
import logging
from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from locus import methods
from locus.backbones import Classifier
from locus.benchmark import baselines
from locus.benchmark.maps import method_code, store
from locus.benchmark.maps.runs import ModelRun, select_samples, untrained
from locus.benchmark.maps.store import (
    Index,
    StoredMaps,
    Writer,
    file_name,
    open_writer,
    write_unsupported,
)
from locus.config import MAPS, EngineFlags, TrainConfig, flags_with
from locus.core import registry, user_code
from locus.core.baseline import MapBaseline
from locus.core.errors import (
    BadValueError,
    DataError,
    LocusError,
    NoImagesError,
    NotAvailableError,
    one_line,
)
from locus.core.files import json_hash
from locus.core.names import UNTRAINED
from locus.core.types import Sample, generator
from locus.datasets.io import transforms
from locus.explaining import VERSION
from locus.explaining.batch import (
    MethodMaps,
    collect_evidence,
    prepare_model,
    run_methods,
)
from locus.methods.base import Method
from locus.methods.evidence import Evidence
from locus.scoring.protocols import reads_absent_findings

log = logging.getLogger(__name__)
BATCH_SIZE = 32
"""Batch size of the networks."""
SHOW_PROGRESS: ContextVar[bool | None] = ContextVar("SHOW_PROGRESS", default=None)
"""Whether a bar is shown while images are explained; None: on a terminal."""


class Batch(NamedTuple):
    """A batch of images for one network."""

    run: ModelRun
    """The training run whose network explains the images."""
    rows: tuple[int, ...]
    """Positions among its ``scorable_images``: those with a truth box."""
    findings: tuple[int, ...] | None
    """Indices of the findings to explain; None: all."""


@dataclass(frozen=True, kw_only=True)
class MapRequest:
    """A request for the maps of one method on the held-out images of a model."""

    word: str
    """Name of the method with its options (a spec of ``locus.core.registry``), as on the command line."""
    runs: tuple[ModelRun, ...]
    """The training runs of the model, one per fold if it has folds, each with its network and held-out images."""
    method: Method | MapBaseline
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
        images = []
        for run, rows, _ in self.batches:
            images += [run.scorable_images[row].image_id for row in rows]
        return tuple(images)

    @property
    def index(self) -> Index:
        """Key, images and findings of the maps."""
        explained_findings = []
        for _, rows, findings in self.batches:
            if findings is not None:
                explained_findings += [findings] * len(rows)
        return Index(
            key=self.keys[0],
            images=self.images,
            findings=self.runs[0].data.findings,
            shown=tuple(explained_findings),
        )


def build_method(method_name: str) -> Method | MapBaseline:
    """Build the method or baseline named ``method_name``, with its options.

    Raises ``NotAvailableError`` if it cannot be imported, another ``LocusError`` if its constructor fails.
    """
    try:
        row = baselines.find(method_name)
        if row is None:
            return methods.build(method_name)
        if row.method:
            return methods.build(row.method)
        baseline = baselines.build(method_name)
    except LocusError:
        raise
    except user_code.ANYTHING as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise LocusError(f"the method {method_name!r} cannot be created: {reason}") from error
    if not isinstance(baseline, MapBaseline):
        raise BadValueError(f"the baseline {method_name!r} has no maps of a network")
    return baseline


def make_request(
    trained: Sequence[ModelRun],
    method_name: str,
    method: Method | MapBaseline,
    folder: Path,
    images: int | None = None,
    protocols: Sequence[str] = (),
) -> MapRequest:
    """Return the request of the maps of one method for the training runs of a model.

    Fast methods explain all findings of all images. Other methods explain only the requested ``images``, and only the
    findings that each image shows if there are ``protocols`` and none of them reads maps of other findings.

    Args:
        trained: the training runs.
        method_name: the method with its options.
        method: ``build_method(method_name)``.
        folder: folder of the maps.
        images: number of images to explain; None: all.
        protocols: names of the protocols that score the maps; empty: not restricted.
    """
    fast = not isinstance(method, Method) or (method.is_fast() and method.smooth is None)
    in_part = not fast and bool(protocols) and not any(map(reads_absent_findings, protocols))
    runs = tuple(untrained(run) for run in trained) if method_name == UNTRAINED else tuple(trained)
    all_batches = []
    keys = []
    # stored maps of all images contain those of some
    for count in dict.fromkeys((None if fast else images, None)):
        image_ids = tuple(sample.image_id for sample in select_samples(trained, count))
        batches = tuple(_batches(runs, frozenset(image_ids), in_part))
        all_batches.append(batches)
        key_of_all_findings = _key(runs, method_name, type(method), image_ids)
        if in_part:
            explained = [
                [run.scorable_images[row].image_id, finding_indices]
                for run, (row,), finding_indices in batches
            ]
            keys.append(json_hash([key_of_all_findings, explained]))
        keys.append(key_of_all_findings)
    return MapRequest(
        word=method_name,
        runs=runs,
        method=method,
        fast=fast,
        batches=all_batches[0],
        path=folder / file_name(method_name),
        keys=tuple(keys),
    )


def _batches(runs: Sequence[ModelRun], images: Set[str], in_part: bool) -> Iterator[Batch]:
    """Yield batches of all findings, or if explained ``in_part`` single images with the findings that they show."""
    for run in runs:
        rows = [row for row, sample in enumerate(run.scorable_images) if sample.image_id in images]
        if in_part:
            for row in rows:
                findings = shown_findings(run.scorable_images[row], run.data.findings)
                if findings:
                    yield Batch(run, (row,), findings)
        else:
            for start in range(0, len(rows), BATCH_SIZE):
                yield Batch(run, tuple(rows[start : start + BATCH_SIZE]), None)


def shown_findings(sample: Sample, findings: Sequence[str]) -> tuple[int, ...]:
    """Return indices of the ``findings`` with a truth box; protocols without false alarms score no others."""
    return tuple(index for index, finding in enumerate(findings) if finding in sample.boxes)


def _key(
    trained: Sequence[ModelRun], method_name: str, method_class: type, images: Sequence[str]
) -> str:
    """Hash weights and code of the networks, the pixels, the method with its options and code, and the version."""
    flags = sorted(flags_with(TrainConfig, MAPS))
    networks = [
        [run.digest, run.code, *(getattr(run.config, name) for name in flags)] for run in trained
    ]
    pixels = [run.pixels_digest for run in trained]
    truth = [] if issubclass(method_class, Method) else [_truth(run) for run in trained]
    method = (method_class.__name__, _options(method_name, method_class), method_code(method_name))
    return json_hash([networks, pixels, _preprocessing(), images, truth, *method, VERSION])


def _options(method_name: str, method_class: type) -> dict[str, str]:
    """Return all constructor arguments, including defaults, since a changed default changes the maps."""
    plain_name, smooth = methods.split_smooth(method_name)
    call = inspect.signature(method_class).bind(
        **({} if user_code.runs_code(method_name) else registry.options(plain_name))
    )
    call.apply_defaults()
    return {name: repr(value) for name, value in {**call.arguments, "smooth": smooth}.items()}


def _preprocessing() -> str:
    """Return a digest of the evaluation transform applied to every grey value."""
    values = transforms.evaluation()(torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16))
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()[:16]


def _truth(run: ModelRun) -> list[Any]:
    """Return the truth that baselines use, as values that can be hashed."""
    truth = []
    for sample in run.scorable_images:
        boxes = {finding: array.tolist() for finding, array in sample.boxes.items()}
        truth.append([sample.frame, boxes])
    return [run.data.describe, truth]


@contextmanager
def showing(progress: bool | None) -> Iterator[None]:
    """Show a bar, or none, while images are explained within the block; None: on a terminal."""
    token = SHOW_PROGRESS.set(progress)
    try:
        yield
    finally:
        SHOW_PROGRESS.reset(token)


def generate(requests: Sequence[MapRequest], flags: EngineFlags) -> dict[str, LocusError]:
    """Write the maps of ``generate``, or the reason if a method does not support its networks.

    Returns the errors of the failed methods. Nothing is written for them, so the next run tries again. Fast methods
    share forward passes. Each slow method is written before the next one begins, so a killed run keeps it.
    """
    networks = _Networks(flags)
    fast: dict[
        tuple[ModelRun, ...], list[MapRequest]
    ] = {}  # one group per set of networks: ``untrained`` has its own
    slow = []
    for request in requests:
        if not isinstance(request.method, Method):
            continue
        if request.fast:
            fast.setdefault(request.runs, []).append(request)
        else:
            slow.append([request])
    broken: dict[str, LocusError] = {}
    for group in (*fast.values(), *slow):
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
    log.info(
        "explaining %d images with %s",
        len(requests[0].images),
        ", ".join(request.word for request in requests),
    )
    names = requests[0].word if len(requests) == 1 else f"{len(requests)} methods"
    is_shown = SHOW_PROGRESS.get()
    bar = tqdm(
        desc=f"explain {names}",
        total=len(requests[0].images),
        leave=False,
        unit="image",
        disable=None if is_shown is None else not is_shown,
    )
    running = {request.word: request for request in requests}
    broken: dict[str, LocusError] = {}
    with bar, ExitStack() as all_files:
        files = {method_name: all_files.enter_context(ExitStack()) for method_name in running}
        writers = {
            method_name: files[method_name].enter_context(open_writer(request.path, request.index))
            for method_name, request in running.items()
        }
        for batch in requests[0].batches:
            if not running:
                break
            methods = {
                method_name: request.method
                for method_name, request in running.items()
                if isinstance(request.method, Method)
            }
            for method_name, answer in run_methods(methods, networks.evidence(*batch)).items():
                error = _add(method_name, answer, writers[method_name])
                if error is None:
                    continue
                request = running.pop(method_name)
                with suppress(LocusError), files[method_name]:
                    raise error  # an error inside the block discards the file
                if isinstance(error, NotAvailableError):
                    write_unsupported(request.path, request.index, str(error))
                else:
                    log.warning("%s", error)
                    broken[method_name] = LocusError(
                        str(error)
                    )  # without the traceback, which refers to tensors
            bar.update(len(batch[1]))
    return broken


def _add(method_name: str, answer: MethodMaps | LocusError, writer: Writer) -> LocusError | None:
    """Write the maps of a batch; return the error of a method without maps or with maps unlike the earlier ones."""
    if isinstance(answer, LocusError):
        return answer
    try:
        writer.add(answer.maps.cpu().numpy(), answer.grid)
    except BadValueError as error:
        return LocusError(f"the method {method_name!r} failed: {error}")
    return None


def _draw(request: MapRequest, baseline: MapBaseline, networks: "_Networks") -> None:
    """Write the maps of a baseline, which only needs the model's grid."""
    samples = [sample for run in request.runs for sample in run.scorable_images]
    findings = request.runs[0].data.findings
    boxed = next(run for run in request.runs if run.scorable_images)
    evidence = networks.evidence(boxed, [0])  # for the grid and the shape of the feature maps
    shape = (evidence.A.shape[-2], evidence.A.shape[-1])
    grid, shape = baseline.geometry(evidence.grid, shape)
    maps = baselines.maps_of(baseline, samples, findings, grid, shape)
    with open_writer(request.path, request.index) as writer:
        writer.add(maps, grid)


@dataclass
class _Networks:
    """Networks of a model, each loaded once."""

    flags: EngineFlags
    models: dict[ModelRun, Classifier] = field(default_factory=dict)

    def evidence(
        self, run: ModelRun, rows: Sequence[int], findings: Sequence[int] | None = None
    ) -> Evidence:
        """Return evidence for a batch of one training run's images, from the cache of decoded pixels."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if run not in self.models:
            self.models[run] = prepare_model(
                run.model(device),
                channels_last=self.flags.channels_last,
                compiled=self.flags.compile,
            )
        images = transforms.evaluation()(torch.from_numpy(run.pixels[list(rows)]).to(device))
        return collect_evidence(
            self.models[run],
            images,
            findings,
            progress=True,
            memory_gib=self.flags.memory_gib,
            draw=partial(_references, run, rows),
        )


def _references(
    run: ModelRun, rows: Sequence[int], index: int, count: int, seed: int
) -> torch.Tensor:
    """Return ``count`` images of other patients than that of ``rows[index]``.

    They are drawn from the names of the images, so their order in the data set does not matter.
    """
    samples = run.scorable_images
    patient = samples[rows[index]].patient_id
    by_name = sorted(range(len(samples)), key=lambda row: samples[row].image_id)
    order = generator(seed, "references").permutation(len(samples)).tolist()
    drawn_rows = [by_name[rank] for rank in order]
    other_rows = [row for row in drawn_rows if samples[row].patient_id != patient][:count]
    if len(other_rows) < count:
        raise NotAvailableError(
            f"{count} images of other patients are required, but there are {len(other_rows)}: lower n"
        )
    return transforms.evaluation()(torch.from_numpy(run.pixels[other_rows]))


StoredMapsByMethod = dict[str, StoredMaps | LocusError]
"""Method with its options (``MapRequest.word``) -> its stored maps, or its error.

``NotAvailableError``: the method does not support this model. Other errors: it failed, and the next run tries again.
"""


class NotStoredError(DataError):
    """Raised if maps are not on disk and must not be generated; for an unsupported method: ``NotAvailableError``."""


def requests_of(
    trained: Sequence[ModelRun],
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
        raise DataError(
            f"no test image of {trained[0].config.dataset} has a truth box, so nothing can be scored"
        )
    requests: list[MapRequest] = []
    broken: StoredMapsByMethod = {}
    for method_name in method_names:
        try:
            requests.append(
                make_request(
                    trained,
                    method_name=method_name,
                    method=build_method(method_name),
                    folder=folder,
                    images=images,
                    protocols=protocols,
                )
            )
        except LocusError as error:
            broken[method_name] = error
    return requests, broken


def validation_requests(
    trained: Sequence[ModelRun], method_names: Sequence[str], folder: Path
) -> list[MapRequest]:
    """Return requests for the fast methods' maps of the validation images.

    There are none without validation images, or if none of them has a truth box, as in the official NIH lists.
    """
    runs = [run.validation for run in trained]
    try:
        has_boxes = any(sample.boxes for sample in select_samples(runs, None))
    except NoImagesError:
        return []
    if not has_boxes:
        return []
    requests, _ = requests_of(runs, method_names, folder)
    return [request for request in requests if request.fast]


def load_or_generate(
    requests: Sequence[MapRequest], flags: EngineFlags | None
) -> StoredMapsByMethod:
    """Return the maps of ``generate``; missing maps are generated with ``flags``, or give a ``NotStoredError``."""
    stored = {request.word: store.read(request.path, request.keys) for request in requests}
    missing = [request for request in requests if stored[request.word] is None]
    broken: StoredMapsByMethod = {}
    if missing and flags is not None:
        broken |= generate(missing, flags)
        for request in missing:
            if request.word not in broken:
                stored[request.word] = store.read(request.path, request.keys)
    return {
        request.word: broken.get(request.word) or stored[request.word] or _absent(request, flags)
        for request in requests
    }


def _absent(request: MapRequest, flags: EngineFlags | None) -> DataError:
    if flags is None:
        return NotStoredError(
            f"{request.path.parent} has no maps of these weights, images and version of the code"
        )
    return DataError(
        f"another run with other code replaced the maps in {request.path}: try again when it is finished"
    )
