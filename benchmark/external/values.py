"""Read and check the values of external maps: numbers, shapes, constant maps, swapped axes."""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from tqdm import tqdm

from benchmark.external.geometry import Geometry
from benchmark.external.maps import Map, MapSource, Pair
from benchmark.scoring.protocols.base import LazyMap
from core.errors import DataError, examples
from core.frames import box_coverage
from core.types import FloatArray
from datasets.base import Dataset

log = logging.getLogger(__name__)
MAX_CACHED = 2**26
"""Bytes of maps that stay in memory (their surfaces take twice that); other maps are read again for scoring."""
MIN_STANDARD_ERRORS, MIN_RATIO = 3.0, 1.2
"""A warning needs transposed maps that fit better by so many standard errors and by this factor."""


def read(
    given: Mapping[Pair, MapSource], data: Dataset, where: Geometry, missing: Literal["error", "miss", "skip"]
) -> dict[Pair, Map | LazyMap]:
    """Return (image, finding) -> map (h,w), the first ``MAX_CACHED`` bytes in memory and the rest as files.

    Raises ``DataError`` for invalid maps, for all maps constant, and for missing maps if ``missing`` is error.
    """
    scorable = [s for s in data if s.boxes]
    truth = {(s.image_id, finding): (boxes, s.frame) for s in scorable for finding, boxes in s.boxes.items()}
    absent = [" ".join(pair) for pair in truth if pair not in given]
    if len(absent) == len(truth):
        raise DataError(f"none of the {len(truth)} cases with a truth box has a map: check --dataset and --partition")
    check_missing(absent, f"{len(absent)} of {len(truth)} cases with a truth box have no map", missing)
    wanted = [(s.image_id, finding) for s in scorable for finding in data.findings]
    available = [pair for pair in wanted if pair in given]
    bar = tqdm(available, desc="read maps", unit="map", leave=False, disable=None)
    out: dict[Pair, Map | LazyMap] = {}
    flat: list[str] = []
    inside: list[tuple[float, float]] = []
    total_bytes = 0
    for pair in bar:
        values = given[pair].read()
        total_bytes += values.nbytes
        out[pair] = values if total_bytes <= MAX_CACHED else LazyMap(values.shape, given[pair].read)
        if values.min() == values.max():
            flat.append(given[pair].where)
        if pair in truth and isinstance(where.grid, str):
            inside.append((_inside(values, *truth[pair]), _inside(values.T, *truth[pair])))
    if flat and len(flat) == len(out):
        raise DataError(f"all {len(out)} maps are constant: {examples(flat)}")
    if flat:
        log.warning("%d of %d maps are constant and count as misses: %s", len(flat), len(out), examples(flat))
    shares = np.array(inside, dtype=np.float64).reshape(-1, 2)
    if _is_transposed(shares):
        log.warning(
            "transposed maps fit the truth better (%.3f instead of %.3f of their heat is in the boxes); "
            "if your maps are (w, h), save map.T instead",
            *np.nanmean(shares, axis=0)[::-1],
        )
    return out


def check_missing(absent: Sequence[str], count: str, missing: Literal["error", "miss", "skip"]) -> None:
    """Raise ``DataError`` if ``missing`` is error and cases or images are ``absent``; ``count`` says how many."""
    if absent and missing == "error":
        advice = "add them, or use --missing miss (count them as misses) or --missing skip (leave them out)"
        raise DataError(f"{count} ({examples(absent)}): {advice}")


def _is_transposed(inside: FloatArray) -> bool:
    """Return True if transposed maps fit better, from shares of heat in the truth (N,2), as given and transposed."""
    gain = inside[:, 1] - inside[:, 0]
    gain = gain[np.isfinite(gain)]
    if len(gain) < 2:
        return False
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    as_given, swapped = np.nanmean(inside, axis=0)
    return bool(gain.mean() > MIN_STANDARD_ERRORS * error and swapped > MIN_RATIO * as_given)


def _inside(values: Map, boxes: FloatArray, frame: tuple[int, int]) -> float:
    """Return the share of a min-max scaled map inside the truth boxes; nan for a constant map."""
    scaled = values - values.min()
    total = float(scaled.sum())
    shape = (values.shape[0], values.shape[1])
    return float((scaled * box_coverage(boxes, frame, shape)).sum()) / total if total > 0 else np.nan
