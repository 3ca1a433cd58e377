"""The one scorer: cases and protocols in, records and rows per case out.

``score_maps``   score the cases of a cell by its protocol; ``score_result``: anything else that computes a whole result
``scored``       the record and the rows per case of each cell

``EntryCases``   the cases of maps or boxes made elsewhere; ``score`` returns their records and those of the baselines

Networks are scored in ``network``. ``arrays`` scores plain arrays by the same protocols, without a record.
"""

import datetime
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any, Protocol

from tqdm import tqdm

from locus.benchmark.evaluation.arrays import Pair
from locus.benchmark.evaluation.entry import ExternalEntry
from locus.benchmark.evaluation.files import MAX_CACHED_BYTES
from locus.benchmark.maps import subgroups
from locus.benchmark.maps.baselines import Prior
from locus.benchmark.maps.cases import baseline_cases, training_cases
from locus.benchmark.maps.fixed_region import fixed_cases
from locus.benchmark.records import Cell, Record
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols import base
from locus.benchmark.scoring.protocols.base import Case, Result
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.benchmark.training import provenance
from locus.core.errors import LocusError, NotAvailableError, WriteError
from locus.core.names import FIXED_BOX, FIXED_POINT, MAIN_PROTOCOL, OF_TRAINING_PART
from locus.core.types import Sample
from locus.datasets.base import Dataset

LIBRARIES = ("torch", "timm", "numpy", "numba")
Rows = list[dict[str, Any]]
"""Rows per case."""
Scored = tuple[dict[str, Any], Rows]
"""Fields of a record (scores, or status ``n/a`` or ``failed`` with a reason), and its per-case rows."""


class CaseSource(Protocol):
    """Source of cases for cells: a model's stored maps, or maps and boxes made elsewhere."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises an error with the reason if there are none."""

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases on which the thresholds of a cell may be chosen."""

    @property
    def groups(self) -> dict[str, dict[Pair, str]]:
        """Variable -> (image, finding) -> group of the case."""


@ONE_BLAS_THREAD
def score_maps(source: CaseSource, cell: Cell, protocol: base.Protocol | None = None) -> Scored:
    """Score the maps of a cell's method by ``protocol``, by default its own; per-case rows include their subgroups."""
    protocol = protocol or protocols.get(cell.protocol)()

    def compute() -> Result:
        cases = source.cases(cell)
        validation = source.validation(cell) if protocol.chooses_thresholds else []
        result: Result = protocol.evaluate(cases, source.findings, cell.data_seed, validation)
        return result

    fields, rows = score_result(compute, protocol.geometry)
    if "scores" not in fields:
        return fields, rows
    if cell.protocol == MAIN_PROTOCOL:
        fields["subgroups"] = subgroups.scores(rows, source.groups, source.findings, cell.data_seed)
    groups = source.groups.items()
    return fields, [
        {**row, **{variable: group.get((row["image"], row["finding"]), "") for variable, group in groups}}
        for row in rows
    ]


def score_result(compute: Callable[[], Result], geometry: str) -> Scored:
    """Score with a function that computes the whole result; if it fails, return the reason without scores.

    Raises ``WriteError``, which is not an error of the method.
    """
    try:
        result = compute()
    except WriteError:
        raise
    except LocusError as error:
        return {"status": "n/a" if isinstance(error, NotAvailableError) else "failed", "reason": str(error)}, []
    return result_fields(result, geometry), result.rows


def result_fields(result: Result, geometry: str) -> dict[str, Any]:
    """Return the fields of the record that come from ``result``."""
    failed = f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}" if result.failed else ""
    return {
        "status": "failed" if failed else "ok",
        "reason": failed or result.remark,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
        "hits_by_threshold": tuple(result.hits_by_threshold),
    }


def scored(
    cells: Sequence[Cell],
    score_cell: Callable[[Cell], Scored],
    shared: dict[str, Any],
    title: str,
    bar: bool | None = None,
) -> Iterator[tuple[Record, Rows]]:
    """Yield the record of each of ``cells``, with the ``shared`` fields, and its rows per case.

    ``title`` names the progress bar. ``bar``: show it; None: only on a terminal.
    """
    hidden = None if bar is None else not bar
    for cell in tqdm(cells, desc=f"score {title}", unit="cell", leave=False, disable=hidden):
        start = time.perf_counter()
        fields, rows = score_cell(cell)
        yield Record(cell=cell, seconds=round(time.perf_counter() - start, 3), **shared, **fields), rows


def shared_fields(data: Sequence[Dataset]) -> dict[str, Any]:
    """Return the fields that all records of one scoring share: versions, machine, images and time."""
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "scoring": provenance.of_scoring(),
        "fingerprint": provenance.fingerprint(sample for images in data for sample in images),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": data[0].describe,
    }


def truth_counts(samples: Sequence[Sample]) -> dict[str, int]:
    """Return the numbers of patients, cases and truth boxes of ``samples``."""
    boxes = [len(one) for sample in samples for one in sample.boxes.values()]
    return {"patients": len({s.patient_id for s in samples}), "cases": len(boxes), "truth boxes": sum(boxes)}


MODEL = "external"
"""Model id of all records of external entries, whose networks are unknown."""
BASELINE_SIDE = Prior().side
"""Side of the baselines' maps for entries of boxes, which have no grid."""


@dataclass
class EntryCases:
    """Cases of an entry and its baselines; only one method's cases are cached."""

    entry: ExternalEntry
    _last: dict[str, list[Case]] = field(default_factory=dict, repr=False)

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""
        return self.entry.data.findings

    @cached_property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> group of a case, for the variables that do not need a classifier."""
        return subgroups.without_classifier(self.entry.samples, self.findings)

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises ``NotAvailableError`` if the entry lacks the input of its protocol."""
        answers, is_own = self.entry.answers, cell.method == self.entry.name
        if is_own:
            return answers.cases(cell.protocol)
        if cell.method in OF_TRAINING_PART:
            return fixed_cases(cell.method, cell.protocol, self.entry.data, self.entry.data)
        if cell.method not in self._last:
            self._last = {cell.method: self._baseline(cell.method)}
        return self._last[cell.method]

    def validation(self, cell: Cell) -> list[Case]:
        """Return the training part for its baselines, else no cases: external maps are of test images only."""
        return training_cases(cell, self.entry.data)

    def _baseline(self, name: str) -> list[Case]:
        entry, shape = self.entry, self._shape
        samples = [sample for sample in entry.samples if sample.boxes]
        cases = baseline_cases(name, samples, entry.data, entry.geometry.on(shape), shape, MAX_CACHED_BYTES)
        skipped = entry.missing_maps if entry.missing == "skip" else set()
        return [
            replace(case, probability=entry.probabilities.get(pair))
            for case in cases
            if (pair := (case.image_id, case.finding)) not in skipped
        ]

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Most frequent shape (h, w) of the maps."""
        shapes = Counter((values.shape[0], values.shape[1]) for values in self.entry.values.values())
        return shapes.most_common(1)[0][0] if shapes else (BASELINE_SIDE, BASELINE_SIDE)


def score(entry: ExternalEntry, baselines: Sequence[str]) -> list[tuple[Record, Rows]]:
    """Return the records and the rows per case of the entry, then of ``baselines``, for each protocol.

    Protocols that the entry does not support are skipped for the baselines.
    """
    baselines = [*baselines, *(OF_TRAINING_PART if entry.data.training_part is not None else ())]
    methods, score_cell = (entry.name, *baselines), partial(score_maps, EntryCases(entry))
    planned = [_cell(entry, method, word) for method in methods for word in _protocol_names(entry, method)]
    shared = {**shared_fields([entry.data]), "rests_on": _counts(entry)}
    of_entry = [cell for cell in planned if cell.method == entry.name]
    given = [*scored(of_entry, score_cell, {**shared, "source": "external"}, entry.name)]
    lacking = {record.cell.protocol for record, _ in given if record.status == "n/a"}
    others = [cell for cell in planned if cell.method != entry.name and cell.protocol not in lacking]
    return [*given, *scored(others, score_cell, shared, "baselines")]


def _protocol_names(entry: ExternalEntry, method: str) -> list[str]:
    """Return the protocols of the entry or of a baseline, which has no confidences."""
    of_masks = protocols.judging("masks") if entry.data.training_part is not None else []
    if method in OF_TRAINING_PART:
        of_points = [word for word in (*of_masks, "pointing") if protocols.get(word).takes_boxes]
        return of_points if method == FIXED_POINT else [word for word in of_masks if word not in of_points]
    if method == FIXED_BOX or (entry.boxes is not None and method != entry.name):
        return protocols.of_boxes()
    if entry.boxes is not None:
        return [word for word in protocols.judging("maps", "confidences") if protocols.get(word).takes_boxes]
    of_maps = protocols.judging("maps", "confidences") if entry.probabilities else protocols.of_maps()
    return [*of_maps, *of_masks]


def _cell(entry: ExternalEntry, method: str, protocol: str) -> Cell:
    data = entry.data
    return Cell(
        dataset=data.name,
        partition=str(data.describe.get("partition", "")),
        split="test",
        model_id=MODEL,
        method=method,
        alignment=entry.geometry.alignment,
        protocol=protocol,
        data={"findings": len(data.findings)},
        recipe=entry.recipe,
    )


def _counts(entry: ExternalEntry) -> dict[str, Any]:
    """Return the numbers of images, patients, cases and boxes behind an entry, and its declared training data."""
    boxed = [sample for sample in entry.samples if sample.boxes]
    counts = {"test images": len(entry.data), "boxed images": len(boxed), **truth_counts(boxed)}
    more = {"images without a box": len(entry.boxless), "trained on (declared)": entry.trained_on}
    return counts | {"cases without a map": len(entry.missing_maps)} | {k: one for k, one in more.items() if one}
