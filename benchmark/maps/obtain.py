"""The stored maps of methods for a model's images; those that are missing are generated first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark import maps as store
from benchmark.maps.generate import generate
from benchmark.maps.requests import MapRequest, built, request
from benchmark.maps.trained import Trained, select_samples
from config import EngineFlags
from core.errors import DataError, LocusError

MethodMaps = dict[str, store.StoredMaps | LocusError]
"""Word -> the maps of a method on disk, or the error that says why it has none.

``NotAvailableError``: the method has no answer for this model. Another one: it broke, and the next run tries it again.
"""


class NoMapsError(DataError):
    """Maps are not on disk, and none are to be made."""


def obtain(
    trained: Sequence[Trained],
    words: Sequence[str],
    folder: Path,
    flags: EngineFlags | None,
    slow_images: int | None = None,
) -> MethodMaps:
    """The maps of each method as they lie in ``folder``, generated where they are missing.

    Without ``flags`` a missing one is a ``NoMapsError`` instead. Where all exist no model is loaded. Methods that are
    not fast explain ``slow_images`` of the images (None: all). Raises ``DataError`` where no held-out image has a truth
    box.
    """
    if not select_samples(trained, None):
        raise DataError(
            f"no test image of {trained[0].config.dataset} has a truth box: nothing can be explained and scored"
        )
    requests, broken = requests_of(trained, words, folder, slow_images)
    return broken | _stored(requests, flags)


def obtain_validation(
    trained: Sequence[Trained], words: Sequence[str], folder: Path, flags: EngineFlags | None
) -> tuple[list[Trained], MethodMaps]:
    """The trainings with their validation images and the fast methods' maps of these, to choose thresholds on.

    No maps where no validation image has a truth box, as in the official NIH lists, and on another data set than the
    trainings' own.
    """
    if any(run.other is not None for run in trained):
        return [], {}
    held = [replace(run, split="val") for run in trained]
    if not any(sample.boxes for sample in select_samples(held, None)):
        return held, {}
    requests, _ = requests_of(held, words, folder, None)
    return held, _stored([each for each in requests if each.fast], flags)


def requests_of(
    trained: Sequence[Trained], words: Sequence[str], folder: Path, slow_images: int | None
) -> tuple[list[MapRequest], MethodMaps]:
    """What each method owes, and the errors of those that cannot be built."""
    requests: list[MapRequest] = []
    broken: MethodMaps = {}
    for word in words:
        try:
            requests.append(request(trained, word, built(word), folder, slow_images))
        except LocusError as error:
            broken[word] = error
    return requests, broken


def _stored(requests: Sequence[MapRequest], flags: EngineFlags | None) -> MethodMaps:
    stored = {each.word: store.read(each.array, each.key) for each in requests}
    missing = [each for each in requests if stored[each.word] is None]
    if flags is None:
        return {each.word: stored[each.word] or _absent(each) for each in requests}
    broken = generate(missing, flags) if missing else {}
    return {
        each.word: broken.get(each.word) or stored[each.word] or store.read(each.array, each.key) or _lost(each)
        for each in requests
    }


def _absent(each: MapRequest) -> NoMapsError:
    return NoMapsError(f"no maps in {each.array.parent} that today's code would make of these weights and images")


def _lost(each: MapRequest) -> DataError:
    return DataError(
        f"the maps in {each.array} were replaced by those of another run with other code: "
        "run it again when that one is done"
    )
