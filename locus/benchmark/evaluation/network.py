"""Score a network: the maps of its methods by the protocols, its predictions by AUROC and average precision.

``ScoredModel``      the training runs of a network with their images, and the folder of their maps
``stored_cases``     the cases of some methods; missing maps are generated
``NetworkScorer``    scores cells of the network; ``write_records`` writes their records
``classification``   AUROC and average precision of predictions
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from locus import methods
from locus.benchmark.evaluation.scorer import Scored, result_fields, score_maps, scored, shared_fields, truth_counts
from locus.benchmark.evaluation.supervised import Supervised
from locus.benchmark.maps import code_of, method_code
from locus.benchmark.maps.cases import CaseStore, GridCases
from locus.benchmark.maps.generate import load_or_generate, requests_of, validation_requests
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.records import Cell, Score
from locus.benchmark.records import write as write_record
from locus.benchmark.records.cases import write as write_cases
from locus.benchmark.records.record import join
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Result
from locus.benchmark.scoring.protocols.single_box import SingleBox
from locus.benchmark.scoring.score_thresholds import Indexed, ThresholdsBySource
from locus.benchmark.scoring.statistics.resample import SHARED_SUFFIX
from locus.benchmark.training import metrics, provenance
from locus.config import CHECKS, EngineFlags
from locus.core.names import CLASSIFICATION, SUPERVISED, WITHOUT_MAP
from locus.core.user_code import runs_code

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
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
    """Side of the grid if there is no network: rows of the truth alone, such as baselines."""


def stored_cases(model: ScoredModel, method_names: Sequence[str], flags: EngineFlags | None) -> CaseStore:
    """Return the cases of ``method_names`` with the maps of ``model``; missing maps are generated.

    Without ``flags``, no map is generated and no network loaded; a cell without maps raises ``NotStoredError``.
    """
    if not method_names:
        return CaseStore(model.trained, {})
    requests, broken = requests_of(model.trained, method_names, model.maps, model.images, model.protocols)
    chooses = not model.protocols or any(protocols.get(name).chooses_thresholds for name in model.protocols)
    validation = validation_requests(model.trained, method_names, model.maps / "val") if chooses else []
    return CaseStore(model.trained, broken | load_or_generate(requests, flags), load_or_generate(validation, flags))


class OwnBoxes(SingleBox):
    """``single_box`` for a network that saw boxes: a fold's thresholds are chosen on its images of other folds."""

    def choose(self, scored: Indexed, seed: int, validation: Indexed) -> ThresholdsBySource:
        """Return the thresholds of all sources; those chosen on other patients are the cross-fitted ones."""
        chosen = super().choose(scored, seed, validation)
        return chosen | {("cross-fitted", suffix): chosen.pop(("validation", suffix)) for suffix in ("", SHARED_SUFFIX)}


@dataclass(eq=False)
class NetworkScorer:
    """Scores cells of a network from stored maps and predictions.

    Missing maps are generated on creation, for all ``cells`` at once.
    """

    model: ScoredModel
    cells: Sequence[Cell]
    flags: EngineFlags
    code: dict[str, dict[str, str]] = field(init=False)
    """Method -> hashes of the code of the method and the network."""
    store: CaseStore | GridCases = field(init=False)
    """Cases with the maps of the methods that are scored by a protocol."""

    def __post_init__(self) -> None:
        model, of_maps = self.model, [c for c in self.cells if c.protocol not in (CLASSIFICATION, *CHECKS)]
        # before the code is imported: if a file is edited meanwhile, the record has the hash of its earlier version
        self.code = {word: code_of(model.code, method_code(word)) for word in {cell.method for cell in self.cells}}
        words = [*dict.fromkeys(cell.method for cell in of_maps if cell.method not in WITHOUT_MAP)]
        if model.grid is not None:
            self.store = GridCases(model.trained, model.grid)
        else:
            self.store = stored_cases(model, words, self.flags)

    def score(self, cell: Cell) -> Scored:
        """Return the fields of the record of a cell, and its rows per case."""
        fields, rows = self.evaluate(cell)
        counts = sample_counts(self.model.trained, cell)
        # a method from a user's file is recorded by its own name
        name = str(methods.get(cell.method).name) if runs_code(cell.method) else ""
        return {**fields, "method_name": name, "code": self.code[cell.method], "rests_on": counts}, rows

    def evaluate(self, cell: Cell) -> Scored:
        """Return the scores of a cell, by its protocol, and its rows per case."""
        if cell.protocol == CLASSIFICATION and isinstance(self.store, CaseStore):
            return score_classifier(self.store)
        if cell.method in SUPERVISED and isinstance(self.store, CaseStore):
            return score_maps(Supervised(cell.method, self.model.trained, self.store.groups), cell, OwnBoxes())
        return score_maps(self.store, cell)

    def shared_fields(self) -> dict[str, Any]:
        """Return the fields that all records of the model share."""
        trained = self.model.trained
        return {
            **shared_fields([run.data for run in trained]),
            "checkpoints": tuple(run.digest for run in trained if self.model.grid is None),
            "training": join([provenance.read(run.folder) for run in trained]),
        }


def write_records(scorer: NetworkScorer, folder: Path, bar: bool | None = None) -> None:
    """Write a record in ``folder`` for each cell of ``scorer``.

    ``bar``: show progress; None: only on a terminal.
    """
    in_order = sorted(scorer.cells, key=lambda cell: (cell.method, cell.alignment))  # a method's cases are made once
    for record, rows in scored(in_order, scorer.score, scorer.shared_fields(), scorer.model.id, bar):
        if rows:
            write_cases(rows, record.cell, folder)
        write_record(record, folder)
    log.info("%s: %d records written", scorer.model.id, len(in_order))


def sample_counts(trained: Sequence[ModelRun], cell: Cell) -> dict[str, int]:
    """Return the numbers of training runs, images, patients, cases and boxes behind a cell.

    ``explained images`` is included if these are only a part of the boxed images.
    """
    samples = select_samples(trained, cell.images)
    return {
        "trainings": len(trained),
        "test images": sum(len(run.data) for run in trained),
        "boxed images": sum(bool(sample.boxes) for run in trained for sample in run.scorable_images),
        **({"explained images": len(samples)} if cell.images is not None else {}),
        **truth_counts(samples),
    }


METRICS = ("auroc", "ap")


def classification(table: pd.DataFrame, findings: Sequence[str], exclusive: bool = False) -> Result:
    """Return AUROC and average precision per finding and their mean, from held-out predictions.

    ``auroc`` and ``ap`` cover all held-out images; ``auroc@boxed`` and ``ap@boxed`` cover those with a truth box, on
    which maps are scored. They can differ a lot if boxed images come from another source.

    ``table`` has a row per image: ``label_F`` (0, 1 or nan) and ``logit_F`` per finding F, and ``boxed`` (0 or 1). A
    finding with only one class has no score and is excluded from the mean. ``exclusive``: one finding per image
    (softmax).

    >>> table = pd.DataFrame({"label_mass": [0, 1, 1], "logit_mass": [-1.0, 2.0, -2.0], "boxed": [0, 1, 1]})
    >>> [(score.metric, score.finding, score.value) for score in classification(table, ["mass"]).scores][:2]
    [('auroc', 'mass', 0.5), ('auroc', 'mean', 0.5)]
    """
    populations = {"": table, "@boxed": table[table["boxed"] == 1]}
    scores = []
    for suffix, rows in populations.items():
        columns = (rows[[f"{kind}_{finding}" for finding in findings]] for kind in ("logit", "label"))
        logits, labels = (torch.from_numpy(column.to_numpy(dtype="float64").copy()) for column in columns)
        measured = metrics.scores(logits, labels, tuple(findings), exclusive)
        scores += [score for metric in METRICS for score in _scores(metric, metric + suffix, measured)]
    return Result(scores=scores, rows=[])


def _scores(metric: str, word: str, measured: metrics.Scores) -> list[Score]:
    per_finding = [_score(word, finding, row[metric], row) for finding, row in measured["findings"].items()]
    left_out = [score.finding for score in per_finding if score.value is None]
    reason = f"without {', '.join(left_out)}: one class only" if left_out else ""
    value = _defined(measured[f"mean_{metric}"])
    return [*per_finding, Score(finding="mean", metric=word, value=value, n=measured["n"], reason=reason)]


def _score(word: str, finding: str, value: float, row: dict[str, Any]) -> Score:
    reason = f"{row['positives']} of {row['n']} images are positive: one class only" if math.isnan(value) else ""
    return Score(finding=finding, metric=word, value=_defined(value), n=row["n"], reason=reason)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def score_classifier(store: CaseStore) -> Scored:
    """Score the predictions of the classifier on the held-out images: AUROC and average precision."""
    held_out = store.predictions[store.predictions["split"] == "test"]
    labels, logits = (held_out[[f"{word}_{finding}" for finding in store.findings]] for word in ("label", "logit"))
    softmax = store.exclusive or np.allclose(expit(logits).sum(1), 1, atol=1e-4)
    if len(store.findings) > 1 and not softmax and (labels.sum(axis=1) == 1).all():
        log.warning("each image has exactly one finding: after training by cross-entropy, use outputs=softmax")
    return result_fields(classification(held_out, store.findings, store.exclusive), "none"), []
