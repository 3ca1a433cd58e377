"""Load the stored maps of a model's methods, and generate missing ones, at once or in shards.

A shard consists of whole batches. Their maps do not depend on other batches, so the joined file is identical to that of
a single job. Baselines that use the truth need all images at once and have no shards.
"""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmark.maps.generate import generate
from benchmark.maps.reader import StoredMaps, read
from benchmark.maps.requests import MapRequest, build_method, make_request
from benchmark.maps.trained import TrainingRun, select_samples
from benchmark.maps.writer import open_writer, write_unsupported
from config import EngineFlags
from core.errors import BadValueError, DataError, LocusError, NotAvailableError
from core.files import writing
from methods.base import Method

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
    slow_images: int | None = None,
    shown_only: bool = False,
    methods_on_all_images: Collection[str] = (),
) -> tuple[list[MapRequest], StoredMapsByMethod]:
    """Return a request for the maps of each method in ``folder``, and the errors of methods that cannot be built.

    Args:
        trained: the training runs of the model (which has one seed), one per fold if it has folds, each with its
            held-out images.
        method_names: methods, with their options, and baselines.
        folder: folder of the maps.
        slow_images: number of images that slow methods explain; None: all. Fast methods explain all images.
        shown_only: slow methods explain only the findings that an image shows, see ``shown_findings``.
        methods_on_all_images: names of the slow methods to which ``slow_images`` does not apply.

    Raises:
        DataError: no held-out image has a truth box.
    """
    if not select_samples(trained, None):
        raise DataError(f"no test image of {trained[0].config.dataset} has a truth box, so nothing can be scored")
    requests: list[MapRequest] = []
    broken: StoredMapsByMethod = {}
    for word in method_names:
        count = None if word in methods_on_all_images else slow_images
        try:
            requests.append(make_request(trained, word, build_method(word), folder, count, shown_only))
        except LocusError as error:
            broken[word] = error
    return requests, broken


def validation_requests(trained: Sequence[TrainingRun], method_names: Sequence[str], folder: Path) -> list[MapRequest]:
    """Return requests for the fast methods' maps of the validation images.

    There are none if no validation image has a truth box, as in the official NIH lists, or if the model is scored on
    another data set than it was trained on.
    """
    runs = [run.validation for run in trained if run.other is None]
    if not any(sample.boxes for sample in select_samples(runs, None)):
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
    """Read the stored maps of a request; maps of all findings also serve a request for some of them."""
    keys = dict.fromkeys((request.key, request.key_of_all))
    return next((maps for key in keys if (maps := read(request.path, key)) is not None), None)


def _absent(request: MapRequest, flags: EngineFlags | None) -> DataError:
    if flags is None:
        return NotStoredError(f"{request.path.parent} has no maps of these weights, images and version of the code")
    return DataError(f"another run with other code replaced the maps in {request.path}: try again when it is finished")


def generate_shard(requests: Sequence[MapRequest], number: int, count: int, flags: EngineFlags) -> None:
    """Write shard ``number`` of ``count`` for ``requests`` with missing maps, unless the shard exists.

    Nothing is written for a method that fails.
    """
    shards = [request.shard(number, count) for request in requests if _needs_shards(request)]
    generate([shard for shard in shards if shard.batches and _needs_shards(shard)], flags)


def join(requests: Sequence[MapRequest], count: int) -> set[str]:
    """Join the ``count`` shards of each method and remove them; return the words of methods that lack a shard."""
    lacking = set()
    for request in requests:
        try:
            if _needs_shards(request):
                _join(request, count)
        except (NotStoredError, BadValueError):
            lacking.add(request.word)
            continue
        if request.shards.exists():
            with writing(request.shards):
                shutil.rmtree(request.shards)
    return lacking


def _needs_shards(request: MapRequest) -> bool:
    """Whether maps of a method are missing; baselines have no shards."""
    return isinstance(request.method, Method) and _read(request) is None


def _join(request: MapRequest, count: int) -> None:
    """Write one file of all shards, or the reason why the method is not supported."""
    images, findings = request.images, request.runs[0].data.findings
    shards = [request.shard(number, count) for number in range(1, count + 1)]
    try:
        with open_writer(request.path, request.key, images, findings, request.shown) as writer:
            for shard in [shard for shard in shards if shard.batches]:
                maps = read(shard.path, shard.key)
                if not isinstance(maps, StoredMaps):
                    raise maps or NotStoredError(f"no maps in {shard.path}")
                writer.copy(maps.values, maps.index.peaks, maps.index.grid)
    except NotAvailableError as error:
        write_unsupported(request.path, request.key, images, findings, reason=str(error))
