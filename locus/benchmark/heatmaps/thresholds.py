"""Score thresholds of the drawn boxes: from the command line, chosen by a suite, or .5."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from locus.core.names import MAIN_PROTOCOL

DEFAULT_BOX_THRESHOLD = 0.5
"""Threshold of boxes if no other is known."""
THRESHOLD_SOURCES = ("validation", "cross-fitted")
"""Where a record's thresholds were chosen, the preferred source first."""


class Thresholds:
    """Thresholds for the pictures of one network.

    They apply to maps that are min-max scaled to [0,1]. The order of preference: a threshold of the command line, one
    that a suite chose on validation images, the median of those chosen by fold, and ``DEFAULT_BOX_THRESHOLD``.
    """

    def __init__(
        self,
        digest: str,
        runs: Path,
        alignment: str = "aligned",
        layer: str | None = None,
        from_command_line: float | None = None,
    ) -> None:
        """Read the thresholds for some weights from the records in or next to a folder of runs.

        Args:
            digest: hash of the weights.
            runs: folder of the runs.
            alignment: alignment of the maps.
            layer: the explained layer; suites store thresholds for the default layer (None) only.
            from_command_line: threshold of the command line, which applies to all maps.
        """
        self.from_command_line = from_command_line
        # runs are in runs/train/NAME, and results in runs/results or beside runs
        results = tuple(folder / "results" for folder in (*reversed(runs.parents[:3]), runs))
        self.recorded = _recorded(digest, alignment, results) if layer is None else {}

    def lookup(self, method: str, finding: str) -> tuple[float, str]:
        """Return the threshold on the min-max scaled map, and a description of its source."""
        if self.from_command_line is not None:
            return self.from_command_line, "typed"
        by_source = self.recorded.get(method, {})
        for threshold_source in THRESHOLD_SOURCES:
            values = by_source.get(threshold_source, {}).get(finding, ())
            if len(values) == 1:
                return values[0], threshold_source
            if values:
                return median(values), f"{threshold_source}, median of {len(values)}"
        return DEFAULT_BOX_THRESHOLD, "fixed"


@functools.lru_cache(maxsize=4)
def _recorded(digest: str, alignment: str, results: tuple[Path, ...]) -> dict[str, Any]:
    """Return method -> source -> finding -> thresholds, from published records, then ``results``; the last one wins."""
    from locus.benchmark import records  # imports pyarrow, which one image does not need
    from locus.benchmark.records import packed

    thresholds: dict[str, Any] = {}
    for results_folder in dict.fromkeys((Path("results"), *results)):
        for suite in records.suites(results_folder):
            for text in packed.records_containing(suite, digest):
                record = json.loads(text)
                if _applies(record, digest, alignment):
                    thresholds[record["cell"]["method"]] = record["thresholds"]
    return thresholds


def _applies(record: Mapping[str, Any], digest: str, alignment: str) -> bool:
    """Whether a record, as JSON, has thresholds of the weights with a ``digest``, chosen on all of its images."""
    cell = record["cell"]
    is_scored = digest in record["checkpoints"] and record["status"] == "ok"
    is_main = cell["protocol"] == MAIN_PROTOCOL and cell["alignment"] == alignment
    is_on_all_images = "images" not in cell["data"]
    is_chosen_here = "fitted_on" not in cell["data"]
    return is_scored and is_main and is_on_all_images and is_chosen_here
