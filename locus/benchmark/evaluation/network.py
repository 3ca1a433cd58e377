"""Score the cells of a network: its stored maps and predictions in, records and rows per case out.

``ScoredModel``    the training runs of a network with their images, and the folder of their maps
``stored_cases``   the cases of some methods; missing maps are generated
``NetworkScorer``  scores cells of the network; ``write_records`` writes their records

``cell`` scores one cell, ``classifier`` the predictions of a network.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tqdm import tqdm

from locus import methods
from locus.benchmark import baselines, checks, records
from locus.benchmark.baselines.shuffled import Shuffled
from locus.benchmark.checks.base import Check
from locus.benchmark.evaluation.cell import (
    Scored,
    record_of,
    score_maps,
    score_result,
    shared_fields,
    truth_counts,
)
from locus.benchmark.evaluation.classifier import score_classifier
from locus.benchmark.evaluation.supervised import Supervised
from locus.benchmark.maps import code_of, method_code
from locus.benchmark.maps.cases import CaseStore, GridCases
from locus.benchmark.maps.generate import load_or_generate, requests_of, validation_requests
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.records import Cell
from locus.benchmark.records.record import join
from locus.benchmark.training import provenance
from locus.config import EngineFlags
from locus.core import names
from locus.core.user_code import runs_code
from locus.scoring import protocols
from locus.scoring.protocols.single_box import SingleBox
from locus.scoring.score_thresholds import Indexed, ThresholdsBySource
from locus.scoring.statistics.resample import SHARED_SUFFIX

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoredModel:
    """Training runs of one network with their test images, and where their maps are stored."""

    id: str
    trained: Sequence[ModelRun]
    """One run per fold."""
    maps: Path
    """Folder of the maps."""
    code: str = ""
    """Hash of the code of the network."""
    images: int | None = None
    """Number of boxed images that are scored; None: all."""
    protocols: tuple[str, ...] = ()
    """Protocols that score its maps; empty: not restricted."""
    grid: int | None = None
    """Side of the grid if there is no network and only baselines and the truth are scored."""


def stored_cases(
    model: ScoredModel, method_names: Sequence[str], flags: EngineFlags | None
) -> CaseStore:
    """Return the cases of ``method_names`` with the maps of ``model``; missing maps are generated.

    Without ``flags``, no map is generated and no network loaded; a cell without maps raises ``NotStoredError``.
    """
    if not method_names:
        return CaseStore(model.trained, {})
    requests, unavailable = requests_of(
        model.trained,
        method_names=method_names,
        folder=model.maps,
        images=model.images,
        protocols=model.protocols,
    )
    validation = []
    any_chooses = any(protocols.get(name).chooses_thresholds for name in model.protocols)
    if not model.protocols or any_chooses:
        validation = validation_requests(model.trained, method_names, model.maps / "val")
    maps = unavailable | load_or_generate(requests, flags)
    return CaseStore(model.trained, maps, load_or_generate(validation, flags))


def _store(model: ScoredModel, cells: Sequence[Cell], flags: EngineFlags) -> CaseStore | GridCases:
    """Return the cases of the cells that are scored by a protocol; ``shuffled`` exchanges the maps of a method."""
    if model.grid is not None:
        return GridCases(model.trained, model.grid)
    method_names = []
    for cell in cells:
        method = Shuffled.method if cell.method == names.SHUFFLED else cell.method
        scores_maps = cell.protocol not in (names.CLASSIFICATION, *checks.names())
        if scores_maps and baselines.has_stored_map(method):
            method_names.append(method)
    return stored_cases(model, list(dict.fromkeys(method_names)), flags)


def _prepared_checks(
    model: ScoredModel, cells: Sequence[Cell], flags: EngineFlags
) -> dict[str, Check]:
    """Return the validity checks among the protocols of ``cells``, each for the methods of its cells."""
    prepared = {}
    for name in dict.fromkeys(cell.protocol for cell in cells):
        if name in checks.names():
            check_cells = [cell for cell in cells if cell.protocol == name]
            prepared[name] = checks.get(name)(
                trained=model.trained,
                methods=list(dict.fromkeys(cell.method for cell in check_cells)),
                folder=model.maps,
                flags=flags,
                max_images=check_cells[0].images,
            )
    return prepared


@dataclass(eq=False, kw_only=True)
class NetworkScorer:
    """Scores cells of a network from stored maps and predictions; ``prepare`` makes one."""

    model: ScoredModel
    cells: Sequence[Cell]
    code: dict[str, dict[str, str]]
    """Method -> hashes of the code of the method and the network."""
    store: CaseStore | GridCases
    """Cases with the maps of the methods that are scored by a protocol."""
    checks: dict[str, Check]
    """Name -> validity check among the protocols of the cells."""

    @classmethod
    def prepare(
        cls, model: ScoredModel, cells: Sequence[Cell], flags: EngineFlags, **fields: Any
    ) -> Self:
        """Generate the missing maps of all ``cells`` at once; ``fields``: those of a subclass."""
        # before the code is imported: if a file is edited meanwhile, the record has the hash of its earlier version
        method_names = {cell.method for cell in cells}
        code = {name: code_of(model.code, method_code(name)) for name in method_names}
        store = _store(model, cells, flags)
        prepared = _prepared_checks(model, cells, flags)
        return cls(model=model, cells=cells, code=code, store=store, checks=prepared, **fields)

    def score(self, cell: Cell) -> Scored:
        """Return the fields of the record of a cell, and its rows per case."""
        fields, rows = self.evaluate(cell)
        # a method from a user's file is recorded by its own name
        fields["method_name"] = str(methods.get(cell.method).name) if runs_code(cell.method) else ""
        fields["code"] = self.code[cell.method]
        fields["rests_on"] = sample_counts(self.model.trained, cell)
        return fields, rows

    def evaluate(self, cell: Cell) -> Scored:
        """Return the scores of a cell, by its protocol or check, and its rows per case."""
        if cell.protocol in self.checks:
            check = self.checks[cell.protocol]
            return score_result(lambda: check.evaluate(cell.method, cell.data_seed), "surface")
        if cell.protocol == names.CLASSIFICATION and isinstance(self.store, CaseStore):
            return score_classifier(self.store)
        if baselines.is_fine_tuned(cell.method) and isinstance(self.store, CaseStore):
            source = Supervised(cell.method, self.model.trained, self.store.groups)
            return score_maps(source, cell, OwnBoxes())
        return score_maps(self.store, cell)

    def shared_fields(self) -> dict[str, Any]:
        """Return the fields that all records of the model share."""
        trained = self.model.trained
        return {
            **shared_fields([run.data for run in trained]),
            "checkpoints": tuple(run.digest for run in trained) if self.model.grid is None else (),
            "training": join([provenance.read(run.folder) for run in trained]),
        }


class OwnBoxes(SingleBox):
    """``single_box`` for a network that saw boxes: the thresholds of a fold are chosen on images of the other folds."""

    def choose(self, scored: Indexed, seed: int, validation: Indexed) -> ThresholdsBySource:
        """Return the thresholds of all sources; those chosen on other patients are the cross-fitted ones."""
        chosen = super().choose(scored, seed, validation)
        for suffix in ("", SHARED_SUFFIX):
            chosen["cross-fitted", suffix] = chosen.pop(("validation", suffix))
        return chosen


def write_records(scorer: NetworkScorer, folder: Path, show_progress: bool | None = None) -> None:
    """Write a record in ``folder`` for each cell of ``scorer``.

    ``show_progress``: None: only on a terminal.
    """
    # a method's cases are made once
    in_order = sorted(scorer.cells, key=lambda cell: (cell.method, cell.alignment))
    shared = scorer.shared_fields()
    title = f"score {scorer.model.id}"
    disable = None if show_progress is None else not show_progress
    for cell in tqdm(in_order, desc=title, unit="cell", leave=False, disable=disable):
        record, rows = record_of(cell, scorer.score, shared)
        if rows:
            records.cases.write(rows, record.cell, folder)
        records.write(record, folder)
    log.info("%s: %d records written", scorer.model.id, len(in_order))


def sample_counts(trained: Sequence[ModelRun], cell: Cell) -> dict[str, int]:
    """Return the numbers of training runs, images, patients, cases and boxes behind a cell.

    ``explained images`` is included if the cell limits the number of images.
    """
    samples = select_samples(trained, cell.images)
    boxed = []
    for run in trained:
        boxed += [sample for sample in run.scorable_images if sample.boxes]
    counts = {
        "trainings": len(trained),
        "test images": sum(len(run.data) for run in trained),
        "boxed images": len(boxed),
    }
    if cell.images is not None:
        counts["explained images"] = len(samples)
    return counts | truth_counts(samples)
