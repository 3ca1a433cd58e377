"""Maps made in shards: parts of a model's images, which several jobs explain at once, joined into one file.

A shard is whole batches, whose maps do not depend on where others lie: the joined file is that of one job, byte for
byte. Baselines that look at truth see all images at once and have none.
"""

import shutil
from collections.abc import Sequence

from benchmark import maps as store
from benchmark.maps.generate import generate
from benchmark.maps.obtain import NoMapsError
from benchmark.maps.requests import MapRequest
from config import EngineFlags
from core.errors import BadValueError, NotAvailableError
from core.files import writing
from methods.base import Method


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
    return isinstance(request.part, Method) and store.read(request.array, request.key) is None


def _join(request: MapRequest, count: int) -> None:
    """One file of all shards, or the reason of the first that has one in place of maps."""
    images, findings = request.images, request.runs[0].data.findings
    shards = [request.shard(number, count) for number in range(1, count + 1)]
    try:
        with store.writing(request.array, request.key, images, findings) as writer:
            for shard in [shard for shard in shards if shard.batches]:
                maps = store.read(shard.array, shard.key)
                if not isinstance(maps, store.StoredMaps):
                    raise maps or NoMapsError(f"no maps in {shard.array}")
                writer.copy(maps.values, maps.index.peaks, maps.index.grid)
    except NotAvailableError as error:
        store.refuse(request.array, request.key, images, findings, reason=str(error))
