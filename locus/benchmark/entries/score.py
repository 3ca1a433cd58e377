"""Score an external entry and the baselines: their cases in, records and rows per case out."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from tqdm import tqdm

from locus.arrays import Pair
from locus.benchmark import baselines
from locus.benchmark.baselines.prior import Prior
from locus.benchmark.entries.entry import ExternalEntry
from locus.benchmark.entries.maps import MAX_CACHED_BYTES
from locus.benchmark.evaluation.cell import (
    Fields,
    Rows,
    Scored,
    record_of,
    score_maps,
    shared_fields,
    truth_counts,
)
from locus.benchmark.maps import subgroups
from locus.benchmark.maps.cases import (
    baseline_cases,
    cases_of_training_part,
    shuffled_cases,
    training_cases,
)
from locus.benchmark.records import Cell, Record
from locus.benchmark.records.record import EXTERNAL_MODEL
from locus.core import limits, names
from locus.core.frames import Grid
from locus.scoring import protocols
from locus.scoring.protocols.base import Case
from locus.scoring.statistics.resample import ONE_BLAS_THREAD

BASELINE_SIDE = Prior().side
"""Side of the baselines' maps for entries of boxes, which have no grid, and the largest side of ``noise``.

Noise in pixels would hit nothing, and take longer than all other maps together.
"""
BAR_SECONDS = 1.0
"""Seconds after which the bar of the cells moves, even if no cell is finished."""
SLOWEST_PROTOCOLS = ("masks", "single_box", "maxbox")
"""Protocols of a row that begin first, so that no thread waits for them at the end."""


@dataclass
class EntryCases:
    """Cases of an entry and its baselines; only one method's cases are cached."""

    entry: ExternalEntry
    _cached_cases: dict[str, list[Case]] = field(default_factory=dict, repr=False)

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""
        return self.entry.data.findings

    @cached_property
    def groups(self) -> dict[str, dict[Pair, str]]:
        """Variable -> (image, finding) -> group of a case, for the variables that do not need a classifier."""
        return subgroups.without_classifier(self.entry.samples, self.findings)

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises ``NotAvailableError`` if the entry lacks the input of its protocol."""
        if cell.method == self.entry.name:
            return self.entry.answers.cases(cell.protocol)
        if baselines.is_of_training_part(cell.method):
            return cases_of_training_part(cell, self.entry.data, self.entry.data)
        if cell.method == names.SHUFFLED:
            return shuffled_cases(self.entry.answers.cases(cell.protocol))
        cases = self._cached_cases.get(cell.method)
        if cases is None:
            cases = self._baseline(cell.method)
            self._cached_cases = {cell.method: cases}
        return cases

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases of the training part for its baselines; none for other rows, as maps are of test images."""
        return training_cases(cell, self.entry.data)

    def _baseline(self, name: str) -> list[Case]:
        entry = self.entry
        height, width = self._shape
        if name == names.NOISE and not isinstance(entry.geometry.grid, Grid):
            height = min(height, BASELINE_SIDE)
            width = min(width, BASELINE_SIDE)
        cases = baseline_cases(
            name,
            [sample for sample in entry.samples if sample.boxes],
            entry.data,
            grid=entry.geometry.on((height, width)),
            shape=(height, width),
            max_bytes=MAX_CACHED_BYTES,
        )
        skipped = entry.missing_maps if entry.missing == "skip" else set()
        with_map = []
        for case in cases:
            pair = (case.image_id, case.finding)
            if pair not in skipped:
                with_map.append(replace(case, probability=entry.probabilities.get(pair)))
        return with_map

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Most frequent shape (h, w) of the maps."""
        shapes = Counter(
            (values.shape[0], values.shape[1]) for values in self.entry.values.values()
        )
        return shapes.most_common(1)[0][0] if shapes else (BASELINE_SIDE, BASELINE_SIDE)


@ONE_BLAS_THREAD
def score(
    entry: ExternalEntry, baseline_names: Sequence[str], chosen: Sequence[str] = ()
) -> list[tuple[Record, Rows]]:
    """Return the records and the rows per case of the entry, then of the baselines, for each protocol.

    ``chosen``: names of protocols to use, beside the main one; by default all that need no choice. Protocols that the
    entry does not support are skipped for the baselines.
    """
    score_cell = partial(score_maps, EntryCases(entry))
    planned = _slowest_first(_entry_cells(entry, baseline_names, chosen))
    entry_cells = [cell for cell in planned if cell.method == entry.name]
    shared = {**shared_fields([entry.data]), "rests_on": _counts(entry)}
    entry_fields = {**shared, "source": "external"}
    results = _scored_in_threads(entry_cells, score_cell, entry_fields, title=entry.name)
    unsupported = {record.cell.protocol for record, _ in results if record.status == "n/a"}
    baseline_cells = [
        cell for cell in planned if cell.method != entry.name and cell.protocol not in unsupported
    ]
    return [*results, *_scored_in_threads(baseline_cells, score_cell, shared, title="baselines")]


def _slowest_first(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells row by row, those of the slowest protocols first."""
    row_names = list(dict.fromkeys(cell.method for cell in cells))
    return sorted(
        cells,
        key=lambda cell: (row_names.index(cell.method), cell.protocol not in SLOWEST_PROTOCOLS),
    )


def _scored_in_threads(
    cells: Sequence[Cell], score_cell: Callable[[Cell], Scored], shared: Fields, title: str
) -> list[tuple[Record, Rows]]:
    """Return the record of each cell and its rows per case, computed by a thread per CPU.

    NumPy and the compiled functions let threads run side by side. ``shared``: fields that all records have; ``title``:
    name of the progress bar.
    """
    bar = partial(tqdm, desc=f"score {title}", unit="cell", leave=False, disable=None)
    with ThreadPoolExecutor(limits.cpus()) as threads, bar(total=len(cells)) as progress:
        results = [threads.submit(record_of, cell, score_cell, shared) for cell in cells]
        waiting = set(results)
        try:
            while waiting:
                finished, waiting = wait(waiting, BAR_SECONDS, FIRST_COMPLETED)
                progress.update(len(finished))
                progress.refresh()  # the elapsed time
                for result in finished:
                    result.result()  # raises the error of its thread
        finally:
            for result in results:
                result.cancel()
    return [result.result() for result in results]


def _entry_cells(
    entry: ExternalEntry, baseline_names: Sequence[str], chosen: Sequence[str]
) -> list[Cell]:
    """Return the cells of the entry and of the baselines, for each protocol; ``chosen``: see ``score``."""
    cell_of_all = Cell(
        dataset=entry.data.name,
        partition=str(entry.data.describe.get("partition", "")),
        split="test",
        model_id=EXTERNAL_MODEL,
        alignment=entry.geometry.alignment,
        data={"findings": len(entry.data.findings)},
        recipe=entry.recipe,
    )
    row_names = [entry.name, *baseline_names]
    if entry.data.training_part is not None:
        row_names += baselines.of_training_part()
    pairs = [(row, protocol) for row in row_names for protocol in _protocol_names(entry, row)]
    if chosen:
        used_protocols = (names.MAIN_PROTOCOL, *chosen)
        pairs = [(row, protocol) for row, protocol in pairs if protocol in used_protocols]
    if names.ADDED in chosen:
        joined_rows = [row for row in baselines.beside_prior() if row != names.UNTRAINED]
        added_rows = [entry.name, *joined_rows]
        pairs += [(row, names.ADDED) for row in added_rows]
    return [
        cell_of_all.model_copy(update={"method": row, "protocol": protocol})
        for row, protocol in pairs
    ]


def _protocol_names(entry: ExternalEntry, row: str) -> list[str]:
    """Return the protocols of the entry or of a baseline, which has no confidences."""
    mask_protocols = protocols.judging("masks") if entry.data.training_part is not None else []
    if baselines.is_of_training_part(row) and baselines.gives_boxes(row):
        return [name for name in (*mask_protocols, "pointing") if protocols.get(name).takes_boxes]
    if baselines.is_of_training_part(row):
        return [name for name in mask_protocols if not protocols.get(name).takes_boxes]
    if baselines.gives_boxes(row) or (entry.boxes is not None and row != entry.name):
        return protocols.of_boxes()
    if entry.boxes is not None:
        return [
            name
            for name in protocols.judging("maps", "confidences")
            if protocols.get(name).takes_boxes
        ]
    map_protocols = (
        protocols.judging("maps", "confidences") if entry.probabilities else protocols.of_maps()
    )
    return [*map_protocols, *mask_protocols]


def _counts(entry: ExternalEntry) -> dict[str, Any]:
    """Return the numbers of images, patients, cases and boxes behind an entry, and its declared training data."""
    boxed = [sample for sample in entry.samples if sample.boxes]
    counts = {
        "test images": len(entry.data),
        "boxed images": len(boxed),
        **truth_counts(boxed),
        "cases without a map": len(entry.missing_maps),
    }
    if entry.boxless:
        counts["images without a box"] = len(entry.boxless)
    return {**counts, "trained on (declared)": entry.trained_on} if entry.trained_on else counts
