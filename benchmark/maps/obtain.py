"""The stored maps of methods for a model's images; those that are missing are generated first, at once or in shards.

A shard is whole batches, whose maps do not depend on where others lie: the joined file is that of one job, byte for
byte. Baselines that look at truth see all images at once and have none.
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
"""Word -> the maps of a method on disk, or the error that says why it has none.

``NotAvailableError``: the method has no answer for this model. Another one: it broke, and the next run tries it again.
"""


class NoMapsError(DataError):
    """Maps are not on disk, and none are to be made."""


def obtain(
    trained: Sequence[TrainingRun],
    method_names: Sequence[str],
    folder: Path,
    flags: EngineFlags | None,
    slow_images: int | None = None,
    shown_only: bool = False,
) -> StoredMapsByMethod:
    """The maps of each method as they lie in ``folder``, generated where they are missing.

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
    """The trainings with their validation images and the fast methods' maps of these, to choose thresholds on.

    No maps where no validation image has a truth box, as in the official NIH lists, and on another data set than the
    trainings' own.
    """
    requests = validation_requests(trained, method_names, folder)
    return [run.validation for run in trained if run.other is None], _stored(requests, flags)


def validation_requests(trained: Sequence[TrainingRun], method_names: Sequence[str], folder: Path) -> list[MapRequest]:
    """What each fast method has to provide for ``obtain_validation``."""
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
    """What each method has to provide, and the errors of those that cannot be built.

    ``slow_images`` and ``shown_only`` are of those that are not fast: see ``obtain``.
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
    """What is stored for a request; maps of all findings answer one for some of them."""
    keys = dict.fromkeys((request.key, request.key_of_all))
    return next((maps for key in keys if (maps := store.read(request.path, key)) is not None), None)


def _absent(request: MapRequest, flags: EngineFlags | None) -> DataError:
    if flags is None:
        of_today = "that today's code would make of these weights and images"
        return NoMapsError(f"no maps in {request.path.parent} {of_today}")
    replaced = f"the maps in {request.path} were replaced by those of another run with other code"
    return DataError(f"{replaced}: run it again when that one is done")


def generate_shard(requests: Sequence[MapRequest], number: int, count: int, flags: EngineFlags) -> None:
    """Write shard ``number`` of ``count`` of those ``requests`` whose maps are missing, unless it is there.

    Of a method that breaks nothing is written.
    """
    shards = [request.shard(number, count) for request in requests if _is_missing(request)]
    generate([shard for shard in shards if shard.batches and _is_missing(shard)], flags)


def join(requests: Sequence[MapRequest], count: int) -> set[str]:
    """Put the ``count`` shards of each method together and remove them; the words of methods that lack one."""
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
    """One file of all shards, or the reason of the first that has one in place of maps."""
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
