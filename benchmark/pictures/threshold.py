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

    They apply to maps that are min-max scaled to [0,1]. A typed threshold comes first, then one that a suite chose on
    validation images, then the median of those chosen fold by fold, then ``FIXED``.
    """

    def __init__(
        self, digest: str, runs: Path, alignment: str = "aligned", layer: str | None = None, typed: float | None = None
    ) -> None:
        """``digest``: of the network's weights, as in records (``load.Checkpoint.digest``).

        ``runs``: the folder of its run; a suite's records may be in it or next to it. No suite chose any for a
        ``layer``; a ``typed`` one applies to all.
        """
        self.typed = typed
        results = tuple(folder / "results" for folder in (*reversed(runs.parents[:3]), runs))
        self.recorded = _recorded(digest, alignment, results) if layer is None else {}

    def lookup(self, method: str, finding: str) -> tuple[float, str]:
        """Return the threshold on the min-max scaled map, and its origin in words."""
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
