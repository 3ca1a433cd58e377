"""Score threshold of the drawn boxes: from the command line, chosen by a suite, or .5."""

import functools
import json
from pathlib import Path
from statistics import median
from typing import Any

from benchmark import records
from benchmark.records import packed
from core.names import MAIN_PROTOCOL

FIXED = 0.5
ORIGINS = ("validation", "cross-fitted")
"""Origins of a record's thresholds, the preferred one first."""


class Thresholds:
    """Thresholds for the pictures of one network.

    They apply to maps that are min-max scaled to [0,1]. The order of preference: a threshold of the command line, one
    that a suite chose on validation images, the median of those chosen by fold, and ``FIXED``.
    """

    def __init__(
        self, digest: str, runs: Path, alignment: str = "aligned", layer: str | None = None, typed: float | None = None
    ) -> None:
        """Read the thresholds for the weights with a ``digest`` from the records in or next to the folder ``runs``.

        Suites store none for an earlier ``layer``. A ``typed`` threshold, from the command line, applies to all maps.
        """
        self.typed = typed
        results = tuple(folder / "results" for folder in (*reversed(runs.parents[:3]), runs))
        self.recorded = _recorded(digest, alignment, results) if layer is None else {}

    def lookup(self, method: str, finding: str) -> tuple[float, str]:
        """Return the threshold on the min-max scaled map, and a description of its origin."""
        if self.typed is not None:
            return self.typed, "typed"
        for origin in ORIGINS:
            if values := self.recorded.get(method, {}).get(origin, {}).get(finding):
                return median(values), origin if len(values) == 1 else f"{origin}, median of {len(values)}"
        return FIXED, "fixed"


@functools.lru_cache(maxsize=4)
def _recorded(digest: str, alignment: str, results: tuple[Path, ...]) -> dict[str, Any]:
    """Return method -> origin -> finding -> thresholds, from published records and ``results``; the last one wins."""
    thresholds: dict[str, Any] = {}
    for folder in (suite for home in dict.fromkeys((Path("results"), *results)) for suite in records.suites(home)):
        for text in packed.records_containing(folder, digest):
            record = json.loads(text)
            cell = record["cell"]
            scored = digest in record["checkpoints"] and record["status"] == "ok" and "images" not in cell["data"]
            if scored and (cell["protocol"], cell["alignment"]) == (MAIN_PROTOCOL, alignment):
                thresholds[cell["method"]] = record["thresholds"]
    return thresholds
