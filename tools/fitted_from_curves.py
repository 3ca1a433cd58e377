"""Write the fitted records of a suite whose images are elsewhere, from the IoU of its boxes at many score thresholds.

    python -m tools.fitted_from_curves nih-heldout fullgrad_iou.parquet
    python -m benchmark.run --suite nih-heldout     # writes the tables

The suite has ``fitted_on``. The file has a row per network, training run and case of FullGrad: ``global_pool``,
``seed``, ``image``, ``finding`` and ``iou``, the IoU times 10,000 of the box of ``single_box`` with the truth at the
score thresholds (k + .5)/200. Patients and the hits by pointing are those of the published rows per case. ``prior`` and
``fixed_box`` need the truth boxes alone; they are scored once for all models with equal thresholds. The records of all
other rows say that the images are missing.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from locus.benchmark import records
from locus.benchmark.baselines import is_blind
from locus.benchmark.evaluation.cell import Scored
from locus.benchmark.maps import subgroups
from locus.benchmark.maps.cases import GridCases
from locus.benchmark.maps.runs import ModelRun
from locus.benchmark.records import Cell, Record, cases
from locus.benchmark.suite import cells, fitted, missing, plan
from locus.benchmark.suite.fitted import Fit
from locus.benchmark.suite.plan import Suite
from locus.core.errors import BadValueError
from locus.core.names import MAIN, MAIN_PROTOCOL
from locus.core.types import FloatArray
from locus.scoring import score_thresholds
from locus.scoring.protocols.single_box import TENTHS
from locus.scoring.statistics.resample import CaseIndex
from locus.scoring.statistics.summary import Column, estimate, scores

METHOD = "fullgrad"
STEPS = 200
SCALE = 10_000
PRIOR_SIDE = 32
REMARK = "from the IoU of its boxes at 200 score thresholds, without the images"
OF_CASES = ("pointing", "truths", "size", "view", "sex", "age", "co_occurrence")
"""Columns of the published rows per case that do not depend on the score threshold."""


@dataclass(frozen=True, eq=False)
class Source:
    """What the fitted records are made from."""

    suite: Suite
    folder: Path
    """Published folder of the suite."""
    fit: Fit
    curves: pd.DataFrame

    blind: dict[str, Scored] = field(default_factory=dict)
    """``prior`` and ``fixed_box`` with their thresholds, as text -> fields of the record and rows per case."""

    @cached_property
    def published(self) -> dict[tuple[str, str], Record]:
        """Model and method -> cross-fitted record of the main protocol."""
        found = records.load(self.folder)
        main = [
            record
            for record in found
            if record.cell.protocol == MAIN_PROTOCOL and record.cell.fitted_on is None
        ]
        return {(record.cell.model_id, record.cell.method): record for record in main}

    @cached_property
    def truth(self) -> GridCases:
        """The cases of rows that need no image."""
        config = plan.models(self.suite)[0].trainings[0]
        rows = cases.read(next(iter(self.published.values())).cell, self.folder)
        run = ModelRun(fitted.without_images(config), Path(), image_ids=frozenset(rows["image"]))
        return GridCases([run], PRIOR_SIDE)


def of_curves(source: Source, cell: Cell, crossed: Record) -> Scored:
    """Return the fields of the record of FullGrad and its rows per case, at the thresholds of the fit."""
    thresholds = source.fit.thresholds_of(cell)
    rows = cases.read(crossed.cell, source.folder)
    index = CaseIndex.of(rows["finding"].astype(str).tolist(), rows["patient"].astype(str).tolist())
    chosen = score_thresholds.of_findings(thresholds, index)
    overlap = iou_at(source.curves, cell, rows, chosen)
    table = rows[["image", "patient", "finding"]].assign(reason="", threshold=chosen, iou=overlap)
    for tenth in TENTHS["iou"]:
        table[f"hit@iou.{tenth}"] = overlap > tenth / 10
    table = table.assign(**{name: rows[name] for name in OF_CASES if name in rows})
    plain = table.astype(object).where(table.notna(), None).to_dict("records")
    findings = [
        score.finding for score in crossed.select(MAIN) if score.threshold_source == "cross-fitted"
    ]
    findings = [finding for finding in findings if finding != "mean"]
    fields = {
        "reason": REMARK,
        "scores": tuple(
            scores(estimate(columns(table), index, findings, cell.data_seed), findings)
        ),
        "thresholds": {"fitted": {finding: [thresholds[finding]] for finding in findings}},
        "subgroups": subgroups.scores(plain, groups(table), findings, cell.data_seed, "fitted"),
    }
    return fields, plain


def of_baseline(source: Source, cell: Cell) -> Scored:
    """Return the fields of the record of ``prior`` or ``fixed_box`` and its rows per case."""
    name = f"{cell.method} {sorted(source.fit.thresholds_of(cell).items())}"
    if name not in source.blind:
        source.blind[name] = fitted.score(source.fit, source.truth, cell)
    return source.blind[name]


def iou_at(
    curves: pd.DataFrame, cell: Cell, rows: pd.DataFrame, thresholds: FloatArray
) -> FloatArray:
    """Return the IoU (N,) of the ``rows`` at the steps of their thresholds. Raises ``BadValueError`` if one lacks."""
    of_run = curves[(curves["global_pool"] == cell.global_pool) & (curves["seed"] == cell.seed)]
    pairs = zip(
        of_run["image"].astype(str), of_run["finding"].astype(str), of_run["iou"], strict=True
    )
    by_case = {(image, finding): values for image, finding, values in pairs}
    steps = np.clip((thresholds * STEPS).astype(int), 0, STEPS - 1)
    keys = [*zip(rows["image"].astype(str), rows["finding"].astype(str), strict=True)]
    missing = [key for key in keys if key not in by_case]
    if missing:
        raise BadValueError(
            f"the file has no IoU of {cell.model_id} for {len(missing)} cases, such as {missing[0]}"
        )
    return np.array([by_case[key][step] / SCALE for key, step in zip(keys, steps, strict=True)])


def columns(table: pd.DataFrame) -> list[Column]:
    """Return the columns of the scores."""
    ones = np.ones(len(table))
    hits = [
        Column(name, "fitted", table[name].to_numpy(float), ones)
        for name in table
        if name.startswith("hit@")
    ]
    mean_iou = Column("mean_iou", "fitted", table["iou"].to_numpy(float), ones)
    pointing = Column("pointing", "none", table["pointing"].to_numpy(float), ones)
    return [*hits, mean_iou, pointing]


def groups(table: pd.DataFrame) -> dict[str, dict[tuple[str, str], str]]:
    """Return variable -> (image, finding) -> group of the case."""
    keys = [*zip(table["image"].astype(str), table["finding"].astype(str), strict=True)]
    found: dict[str, dict[tuple[str, str], str]] = {}
    for variable in [
        name for name in OF_CASES if name in table and name not in ("pointing", "truths")
    ]:
        labels = table[variable].astype(str)
        found[variable] = {
            key: label
            for key, label in zip(keys, labels, strict=True)
            if label not in ("", "nan", "None")
        }
    return found


def made(source: Source, cell: Cell, missing: str) -> tuple[Record, Sequence[dict[str, Any]]]:
    """Return the fitted record of a cell and its rows per case; ``missing``: why rows that need images have none."""
    crossed = source.published[cell.model_id, cell.method]
    if cell.method == METHOD:
        fields, rows = of_curves(source, cell, crossed)
    elif is_blind(cell.method):
        fields, rows = of_baseline(source, cell)
    else:
        reason = missing if crossed.status == "ok" else crossed.reason
        return Record(cell=cell, status="n/a", reason=reason), []
    emptied = {
        "cell": cell,
        "scores": (),
        "subgroups": (),
        "thresholds": {},
        "hits_by_threshold": (),
        "seconds": None,
    }
    return crossed.model_copy(update={**emptied, **fields}), rows


def main() -> None:
    """Write the fitted records of a suite, beside its packed ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite")
    parser.add_argument("curves", type=Path)
    flags = parser.parse_args()
    suite = plan.load(flags.suite)
    folder = records.published() / flags.suite
    if suite.fitted_on is None:
        raise BadValueError(
            f"the suite {suite.name} has no `fitted_on`: name the other suite in its file"
        )
    source = Source(
        suite, folder, fitted.read(suite.fitted_on, folder.parent), pd.read_parquet(flags.curves)
    )
    for task in cells.planned_cells(suite):
        problem = missing.missing_data_message(suite, task.model)
        if not problem:
            raise BadValueError(f"the images of {suite.name} are there: run the suite instead")
        for cell in (cell for cell in task.cells if cell.fitted_on is not None):
            record, rows = made(source, cell, problem)
            if rows:
                cases.write(rows, cell, folder)
            records.write(record, folder)
            score = record.find(MAIN, threshold_source="fitted")
            if score is not None:
                print(f"{cell.model_id} {cell.method}: {score.value:.3f}", flush=True)
    records.pack(folder)


if __name__ == "__main__":
    main()
