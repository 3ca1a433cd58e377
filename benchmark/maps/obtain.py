"""Load the stored maps of a model's methods, and generate missing ones."""

from collections.abc import Collection, Sequence
from pathlib import Path

from benchmark.maps.generate import generate
from benchmark.maps.reader import StoredMaps, read
from benchmark.maps.requests import MapRequest, build_method, make_request
from benchmark.maps.trained import TrainingRun, select_samples
from config import EngineFlags
from core.errors import DataError, LocusError, NotAvailableError

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

    There are none if no validation image has a truth box, as in the official NIH lists.
    """
    runs = [run.validation for run in trained]
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
