"""Read the values of an entry's maps, and check them: numbers, shapes, missing, constant and misread maps."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np
from tqdm import tqdm

from locus.arrays import Pair
from locus.benchmark.entries.files import Map, MapSource, NotFiniteError
from locus.benchmark.entries.geometry import Geometry, check_shape
from locus.benchmark.entries.readings import READINGS, heat_shares, log_other_maps
from locus.core.errors import DataError, examples
from locus.core.types import Sample
from locus.datasets.base import Dataset
from locus.scoring.large_maps import LazyMap, MapMemory

log = logging.getLogger(__name__)
Missing = Literal["error", "miss", "skip"]
"""Handling of cases without a map and images without a box."""
MAX_CACHED_BYTES = 2**26
"""Bytes of maps that stay in memory (their surfaces take twice that); others take a byte for each value, or are read
again for scoring."""


def read_values(
    sources: Mapping[Pair, MapSource], data: Dataset, geometry: Geometry, missing: Missing
) -> dict[Pair, Map | LazyMap]:
    """Read and check the maps of an entry.

    Args:
        sources: (image, finding) -> its map.
        data: the images and their truth.
        geometry: the position of the maps in the images.
        missing: handling of cases without a finite map.

    Returns:
        (image, finding) -> map (h,w); the first ``MAX_CACHED_BYTES`` bytes are in memory, maps of whole
        numbers up to ``MAX_BYTE_MAPS``; the rest stay in their files.

    Raises:
        DataError: invalid maps, all maps constant, or missing maps if ``missing`` is error.
    """
    judges_masks = data.training_part is not None
    samples = {sample.image_id: sample for sample in data if sample.boxes or judges_masks}
    _check_cases(sources, list(samples.values()), missing)
    pairs = [(image, finding) for image in samples for finding in data.findings]
    available = [pair for pair in pairs if pair in sources]
    maps: dict[Pair, Map | LazyMap] = {}
    constant: list[str] = []
    broken: list[str] = []
    shares: list[list[float]] = []  # of each case with truth: see heat_shares
    memory = MapMemory(MAX_CACHED_BYTES)
    for image, finding in tqdm(available, desc="read maps", unit="map", leave=False, disable=None):
        source = sources[image, finding]
        sample = samples[image]
        read_map = partial(_covering, source, geometry, sample.frame)
        try:
            values = read_map()
        except NotFiniteError:
            if missing == "error":
                raise
            broken.append(source.where)
            continue
        if judges_masks:
            _refuse_larger(values, sample.frame, source.where)
        maps[image, finding] = memory.kept(values, read_map)
        if values.min() == values.max():
            constant.append(source.where)
        if finding in sample.boxes and geometry.declared in ("conventional", "pixels"):
            shares.append(heat_shares(values, source, sample.boxes[finding], sample.frame))
    _report_constant(constant, len(maps))
    if broken:
        handling = {"miss": "count as misses", "skip": "are left out"}[missing]
        text = "%d of %d maps have NaN or infinite values and %s: %s"
        log.warning(text, len(broken), len(available), handling, examples(broken))
    log_other_maps(np.array(shares, dtype=np.float64).reshape(-1, 1 + len(READINGS)))
    return maps


def _report_constant(constant: Sequence[str], count: int) -> None:
    """Warn of ``constant`` maps among ``count``; raise ``DataError`` if all are constant."""
    if constant and len(constant) == count:
        raise DataError(f"all {count} maps are constant: {examples(constant)}")
    if constant:
        text = "%d of %d maps are constant and count as misses: %s"
        log.warning(text, len(constant), count, examples(constant))


def _covering(source: MapSource, geometry: Geometry, frame: tuple[int, int]) -> Map:
    """Read a map; one of the central square gets positions up to the edges of the image."""
    values = source.read()
    check_shape(values, frame, geometry, source.where)
    return geometry.covering(values, frame)


def _check_cases(
    sources: Mapping[Pair, MapSource],
    samples: Sequence[Sample],
    missing: Missing,
) -> None:
    """Raise ``DataError`` if no case with truth has a map, or if one lacks it and ``missing`` is error."""
    truth = [(sample.image_id, finding) for sample in samples for finding in sample.boxes]
    absent = [" ".join(pair) for pair in truth if pair not in sources]
    if len(absent) == len(truth):
        raise DataError(
            f"none of the {len(truth)} cases with a truth box has a map: check --dataset and --partition"
        )
    check_missing(
        absent, f"{len(absent)} of {len(truth)} cases with a truth box have no map", missing
    )


def check_missing(absent: Sequence[str], count: str, missing: Missing) -> None:
    """Raise ``DataError`` if ``missing`` is error and cases or images are ``absent``; ``count`` says how many."""
    if absent and missing == "error":
        advice = "add them, or use --missing miss (count them as misses) or --missing skip (leave them out)"
        raise DataError(f"{count} ({examples(absent)}): {advice}")


def _refuse_larger(values: Map, frame: tuple[int, int], where: str) -> None:
    """Raise ``DataError`` for a mask that is larger than its image."""
    if np.any(np.greater(values.shape, frame)):
        height, width = frame
        raise DataError(
            f"{where} has the shape {values.shape}, larger than its image of {height}x{width} pixels"
        )
