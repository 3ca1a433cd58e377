"""Load the stored maps of methods for a model's images, after generating missing ones, at once or in shards.

A shard consists of whole batches, whose maps are independent of other batches: the joined file is identical to that of
a single job. Baselines that use the truth need all images at once and have no shards.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmark import maps as store
from benchmark.maps.generate import generate
from benchmark.maps.requests import MapRequest, build_method, make_request
from benchmark.maps.trained import TrainingRun, select_samples
from config import EngineFlags
from core.errors import BadValueError, DataError, LocusError, NotAvailableError
from core.files import writing
from methods.base import Method

StoredMapsByMethod = dict[str, store.StoredMaps | LocusError]
"""Word -> maps of a method on disk, or its error.

``NotAvailableError``: the method does not support this model. Any other error: it failed, and the next run tries again.
"""


class NoMapsError(DataError):
    """Raised if maps are not on disk and must not be generated."""


def obtain(
    trained: Sequence[TrainingRun],
    method_names: Sequence[str],
    folder: Path,
    flags: EngineFlags | None,
    slow_images: int | None = None,
    shown_only: bool = False,
) -> StoredMapsByMethod:
    """Return the maps of each method in ``folder``, after generating missing ones.

    Without ``flags`` a missing one is a ``NoMapsError`` instead. Where all exist no model is loaded. Methods that are
    not fast explain ``slow_images`` of the images (None: all), with ``shown_only`` the findings that an image shows
    (``benchmark.maps.requests.shown_findings``) and no others. Raises ``DataError`` where no held-out image has a truth
    box.
    """
    if not select_samples(trained, None):
        raise DataError(f"no test image of {trained[0].config.dataset} has a truth box: there is nothing to score")
    requests, broken = requests_of(trained, method_names, folder, slow_images, shown_only)
    return broken | _stored(requests, flags)


def obtain_validation(
    trained: Sequence[TrainingRun], method_names: Sequence[str], folder: Path, flags: EngineFlags | None
) -> tuple[list[TrainingRun], StoredMapsByMethod]:
    """Return the training runs with validation images and the fast methods' maps of these, for choosing thresholds.

    There are no maps if no validation image has a truth box, as in the official NIH lists, or for another data set.
    """
    requests = validation_requests(trained, method_names, folder)
    return [run.validation for run in trained if run.other is None], _stored(requests, flags)


def validation_requests(trained: Sequence[TrainingRun], method_names: Sequence[str], folder: Path) -> list[MapRequest]:
    """Return the requests of the fast methods for ``obtain_validation``."""
    runs = [run.validation for run in trained if run.other is None]
    if not any(sample.boxes for sample in select_samples(runs, None)):
        return []
    return [request for request in requests_of(runs, method_names, folder, None)[0] if request.fast]


def requests_of(
    trained: Sequence[TrainingRun],
    method_names: Sequence[str],
    folder: Path,
    slow_images: int | None,
    shown_only: bool = False,
) -> tuple[list[MapRequest], StoredMapsByMethod]:
    """Return the request of each method, and the errors of those that cannot be built.

    ``slow_images`` and ``shown_only`` apply to methods that are not fast: see ``obtain``.
    """
    requests: list[MapRequest] = []
    broken: StoredMapsByMethod = {}
    for word in method_names:
        try:
            requests.append(make_request(trained, word, build_method(word), folder, slow_images, shown_only))
        except LocusError as error:
            broken[word] = error
    return requests, broken


def _stored(requests: Sequence[MapRequest], flags: EngineFlags | None) -> StoredMapsByMethod:
    stored = {request.word: _read(request) for request in requests}
    missing = [request for request in requests if stored[request.word] is None]
    broken: StoredMapsByMethod = {}
    if missing and flags is not None:
        broken |= generate(missing, flags)
        stored |= {r.word: _read(r) for r in missing if r.word not in broken}
    return {r.word: broken.get(r.word) or stored[r.word] or _absent(r, flags) for r in requests}


def _read(request: MapRequest) -> store.StoredMaps | NotAvailableError | None:
    """Read the stored maps of a request; maps of all findings also serve a request for some of them."""
    keys = dict.fromkeys((request.key, request.key_of_all))
    return next((maps for key in keys if (maps := store.read(request.path, key)) is not None), None)


def _absent(request: MapRequest, flags: EngineFlags | None) -> DataError:
    if flags is None:
        of_today = "that today's code would make of these weights and images"
        return NoMapsError(f"no maps in {request.path.parent} {of_today}")
    replaced = f"the maps in {request.path} were replaced by those of another run with other code"
    return DataError(f"{replaced}: run it again when that one is done")


def generate_shard(requests: Sequence[MapRequest], number: int, count: int, flags: EngineFlags) -> None:
    """Write shard ``number`` of ``count`` for ``requests`` with missing maps, unless the shard exists.

    Nothing is written for a method that fails.
    """
    shards = [request.shard(number, count) for request in requests if _is_missing(request)]
    generate([shard for shard in shards if shard.batches and _is_missing(shard)], flags)


def join(requests: Sequence[MapRequest], count: int) -> set[str]:
    """Join the ``count`` shards of each method and remove them; return the words of methods that lack a shard."""
    lacking = set()
    for request in requests:
        try:
            if _is_missing(request):
                _join(request, count)
        except (NoMapsError, BadValueError):
            lacking.add(request.word)
            continue
        if request.shards.exists():
            with writing(request.shards):
                shutil.rmtree(request.shards)
    return lacking


def _is_missing(request: MapRequest) -> bool:
    return isinstance(request.method, Method) and _read(request) is None


def _join(request: MapRequest, count: int) -> None:
    """Write one file of all shards, or the reason of the first shard without maps."""
    images, findings = request.images, request.runs[0].data.findings
    shards = [request.shard(number, count) for number in range(1, count + 1)]
    try:
        with store.open_writer(request.path, request.key, images, findings, request.shown) as writer:
            for shard in [shard for shard in shards if shard.batches]:
                maps = store.read(shard.path, shard.key)
                if not isinstance(maps, store.StoredMaps):
                    raise maps or NoMapsError(f"no maps in {shard.path}")
                writer.copy(maps.values, maps.index.peaks, maps.index.grid)
    except NotAvailableError as error:
        store.write_no_maps(request.path, request.key, images, findings, reason=str(error))
