"""A suite that joins the cases of others: one row per method and network on the cases of all its parts.

``parts``   the records that all parts have, by model and method, after the checks
``joined``  the records of the joined suite with their rows per case

Nothing is run and no image is read. Each case keeps the hits of its part: with the cross-fitted thresholds and the
baselines of that part.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from locus import backbones
from locus.benchmark import records
from locus.benchmark.baselines import is_people
from locus.benchmark.records import Cell, Record, Score, cases
from locus.benchmark.report.grouping import listed
from locus.benchmark.suite.plan import Suite
from locus.benchmark.training.runs import WEIGHTS_FOLDER
from locus.config import TrainConfig
from locus.core.errors import BadValueError, DataError
from locus.core.files import json_hash
from locus.core.names import DRAW_ERROR, MAIN, MAIN_PROTOCOL, MEAN_PREFIX
from locus.scoring.statistics.resample import CaseIndex
from locus.scoring.statistics.summary import Column, estimate, scores

RECIPE = (
    "backbone",
    "global_pool",
    "attention_map",
    "img_size",
    "dropout",
    "loss",
    "weighted_loss",
    "optimizer",
    "lr",
    "weight_decay",
    "scheduler",
    "epochs",
    "batch_size",
    "ema",
    "gradient_clip",
    "augment",
    "keep",
    "seed",
)
"""Flags of training that the networks of all parts share."""
PARTITION = "joined"
"""Partition of the cells of a joined suite."""
DIGESTS = "parts"
"""Entry of ``Record.data``: part -> hash of its record."""
Row = tuple[str, str]
"""Model and method."""
Parts = Mapping[str, Record]
"""Part -> its record of a row."""


def parts(suite: Suite, results: Path) -> dict[Row, Parts]:
    """Return (model, method) -> the records of all parts below the folder ``results``, for those that all parts have.

    Raises ``DataError`` without such records, ``BadValueError`` if parts share an image or a patient, or if networks
    of one model were trained by different recipes.
    """
    records_by_part = {name: _main_records(results / name) for name in suite.joins}
    common = set.intersection(*(set(part_records) for part_records in records_by_part.values()))
    if not common:
        raise DataError(f"{listed(suite.joins)} have no row in common: run these suites first")
    parts_by_row: dict[Row, Parts] = {}
    for row in sorted(common):
        parts_by_row[row] = {
            name: part_records[row] for name, part_records in records_by_part.items()
        }
    _check_cases(suite.name, next(iter(parts_by_row.values())), results)
    first_row = {model: row_parts for (model, _), row_parts in reversed(parts_by_row.items())}
    for model, row_parts in sorted(first_row.items()):
        _check_recipe(suite.name, model, row_parts, results)
    return parts_by_row


def _main_records(folder: Path) -> dict[Row, Record]:
    """Return (model, method) -> cross-fitted record of the main protocol, without people's boxes."""
    scored = [
        record
        for record in records.load(folder)
        if record.source == "run" and record.status == "ok"
    ]
    main = [
        record
        for record in scored
        if record.cell.protocol == MAIN_PROTOCOL and record.cell.fitted_on is None
    ]
    return {
        (record.cell.model_id, record.cell.method): record
        for record in main
        if not is_people(record.cell.method)
    }


def _check_cases(suite_name: str, row_parts: Parts, results: Path) -> None:
    """Raise ``BadValueError`` if two parts share an image or a patient."""
    first_part: dict[tuple[str, str], str] = {}
    for suite, record in row_parts.items():
        rows = cases.read(record.cell, results / suite)
        for kind in ("image", "patient"):
            for name in sorted(map(str, rows[kind].unique())):
                earlier = first_part.setdefault((kind, name), suite)
                if earlier != suite:
                    raise BadValueError(
                        f"the suite {suite_name!r} joins {earlier} and {suite}, which share the {kind} {name}: "
                        "leave one of these suites out"
                    )


def _check_recipe(suite_name: str, model: str, row_parts: Parts, results: Path) -> None:
    """Raise ``BadValueError`` if the networks of a model were trained by different recipes."""
    recipes = {suite: recipe_of(record, results / suite) for suite, record in row_parts.items()}
    first = next(iter(recipes))
    for suite, recipe in recipes.items():
        for flag in RECIPE:
            expected = recipes[first].get(flag)
            if recipe.get(flag) != expected:
                values = f"{flag} {expected!r} in {first} and {recipe.get(flag)!r} in {suite}"
                raise BadValueError(
                    f"the suite {suite_name!r} joins networks of different recipes: {model} has {values}"
                )


def recipe_of(record: Record, folder: Path) -> dict[str, Any]:
    """Return the flags with which the network of a record in a suite's ``folder`` was trained.

    A record of a network that the suite trained has them; otherwise, published weights have them.
    """
    if "epochs" in record.cell.recipe:
        defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
        return {**defaults, **record.cell.recipe}
    model = record.cell.model_id
    files = sorted((folder / WEIGHTS_FOLDER).glob(f"{model}*{backbones.SUFFIX}"))
    if not files:
        raise DataError(
            f"{folder / WEIGHTS_FOLDER} has no weights of {model}, so its recipe is unknown"
        )
    return dict(backbones.described(files[0])["locus"]["config"])


def digests(row_parts: Parts) -> dict[str, str]:
    """Return part -> hash of its record, which changes when the part is scored again."""
    hashes = {}
    for name, record in row_parts.items():
        scores = [score for score in record.scores if score.metric in (MAIN, DRAW_ERROR)]
        hashes[name] = json_hash([record.key, scores])
    return hashes


def cell_of(suite: Suite, row_parts: Parts) -> Cell:
    """Return the cell of a joined record."""
    first = next(iter(row_parts.values())).cell
    return first.model_copy(
        update={"partition": PARTITION, "recipe": {"joins": suite.joins, "seed": first.seed}}
    )


def missing_rows(suite: Suite, existing: Sequence[Record], results: Path) -> list[Parts]:
    """Return the parts of the joined records that do not exist, or whose parts have changed since."""
    stored = {record.key: record.data.get(DIGESTS) for record in existing}
    all_parts = parts(suite, results).values()
    return [
        row_parts
        for row_parts in all_parts
        if stored.get(cell_of(suite, row_parts).key) != digests(row_parts)
    ]


def joined(suite: Suite, row_parts: Parts, results: Path) -> tuple[Record, pd.DataFrame]:
    """Return the record of one model and method on the cases of all parts, and its rows per case."""
    tables = [
        cases.read(record.cell, results / name).assign(part=name)
        for name, record in row_parts.items()
    ]
    rows = pd.concat(tables, ignore_index=True).drop(columns=["key", *cases.CELL])
    part_records = list(row_parts.values())
    first = part_records[0]
    checkpoints = tuple(digest for record in part_records for digest in record.checkpoints)
    last_created = max(record.created for record in part_records)
    data = {DIGESTS: digests(row_parts)}
    scores = (*_main_scores(rows), *_draw_errors(rows, row_parts))
    record = Record(
        cell=cell_of(suite, row_parts),
        geometry=first.geometry,
        checkpoints=checkpoints,
        versions=first.versions,
        training=first.training,
        scoring=first.scoring,
        created=last_created,
        rests_on=_counts(part_records),
        data=data,
        scores=scores,
    )
    return record, rows


def _counts(part_records: Sequence[Record]) -> dict[str, int]:
    """Return the sums over parts of the numbers of images, patients and cases."""
    counts = {}
    for name, count in part_records[0].rests_on.items():
        if isinstance(count, int) and name != "trainings":
            counts[name] = sum(int(record.rests_on.get(name, 0)) for record in part_records)
    return counts


def hits_of(rows: pd.DataFrame) -> pd.Series:
    """Return the main column of rows per case: the mean over draws of the folds where a baseline has one."""
    hits = rows[MAIN].astype(np.float64)
    name = f"{MEAN_PREFIX}{MAIN}"
    return rows[name].astype(np.float64).fillna(hits) if name in rows else hits


def _main_scores(rows: pd.DataFrame) -> list[Score]:
    """Return the main metric per finding and its mean, with intervals over patients."""
    case_findings = rows["finding"].astype(str)
    findings = sorted(set(case_findings))
    index = CaseIndex.of(case_findings.tolist(), rows["patient"].astype(str).tolist())
    column = Column(MAIN, "cross-fitted", hits_of(rows).to_numpy(), np.ones(len(rows)))
    return scores(estimate([column], index, findings, seed=0), findings)


def _draw_errors(rows: pd.DataFrame, row_parts: Parts) -> Iterator[Score]:
    """Yield the standard error from the draws of the folds, which are independent between parts and findings."""
    counts = rows.groupby(["finding", "part"], observed=True).size()
    variances = []
    for finding, part_counts in counts.groupby(level=0, observed=True):
        errors = []
        for _, suite in part_counts.index:
            error = row_parts[suite].find(DRAW_ERROR, str(finding))
            if error is None:
                return
            errors.append(error.value)
        shares = part_counts.to_numpy() / part_counts.sum()
        values = np.array(errors, dtype=np.float64)
        variances.append(float(((shares * values) ** 2).sum()))
    yield Score(
        "mean", DRAW_ERROR, float(np.sqrt(np.sum(variances))) / len(variances), n=len(variances)
    )
