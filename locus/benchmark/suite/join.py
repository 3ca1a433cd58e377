"""A suite that joins the cases of others: one row per method and network on the cases of all its parts.

``parts``   the records that all parts have, by model and method, after the checks
``joined``  the records of the joined suite with their rows per case

Nothing is run and no image is read. Each case keeps the hits of its part: with the cross-fitted thresholds and the
baselines of that part.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from locus import backbones
from locus.benchmark import records
from locus.benchmark.records import Cell, Record, Score, cases
from locus.benchmark.report.grouping import listed
from locus.benchmark.scoring.statistics.resample import CaseIndex
from locus.benchmark.scoring.statistics.summary import Column, estimate, scores
from locus.benchmark.suite.plan import Suite
from locus.benchmark.training.runs import WEIGHTS_FOLDER
from locus.core.errors import BadValueError, DataError
from locus.core.files import json_hash
from locus.core.names import DRAW_ERROR, MAIN, MAIN_PROTOCOL, MEAN_PREFIX, PEOPLE

RECIPE = (
    *("backbone", "global_pool", "attention_map", "img_size", "dropout", "loss", "weighted_loss", "optimizer", "lr"),
    *("weight_decay", "scheduler", "epochs", "batch_size", "ema", "gradient_clip", "augment", "keep", "seed"),
)
"""Flags of training that the networks of all parts share."""
PARTITION = "joined"
"""Partition of the cells of a joined suite."""
DIGESTS = "parts"
"""Entry of ``Record.data``: part -> hash of its record."""
Parts = Mapping[str, Record]
"""Part -> its record of a model and method."""


def parts(suite: Suite, results: Path) -> dict[tuple[str, str], Parts]:
    """Return (model, method) -> the records of all parts below the folder ``results``, for those that all parts have.

    Raises ``DataError`` without such records, ``BadValueError`` if parts share an image or a patient, or if networks
    of one model were trained by different recipes.
    """
    by_part = {name: _main_records(results / name) for name in suite.joins}
    common = set.intersection(*(set(of_part) for of_part in by_part.values()))
    if not common:
        raise DataError(f"{listed(suite.joins)} have no row in common: run these suites first")
    found: dict[tuple[str, str], Parts] = {}
    for pair in sorted(common):
        found[pair] = {name: of_part[pair] for name, of_part in by_part.items()}
    _check_cases(suite.name, next(iter(found.values())), results)
    for model in sorted({model for model, _ in found}):
        _check_recipe(suite.name, model, suite.joins, results)
    return found


def _main_records(folder: Path) -> dict[tuple[str, str], Record]:
    """Return (model, method) -> cross-fitted record of the main protocol, without people's boxes."""
    scored = [record for record in records.load(folder) if record.source == "run" and record.status == "ok"]
    main = [record for record in scored if record.cell.protocol == MAIN_PROTOCOL and record.cell.fitted_on is None]
    of_networks = [record for record in main if record.cell.method not in PEOPLE]
    return {(record.cell.model_id, record.cell.method): record for record in of_networks}


def _check_cases(suite: str, of_parts: Parts, results: Path) -> None:
    """Raise ``BadValueError`` if two parts share an image or a patient."""
    seen: dict[str, dict[str, str]] = {"image": {}, "patient": {}}
    for part, record in of_parts.items():
        rows = cases.read(record.cell, results / part)
        for kind, part_of in seen.items():
            names = sorted({str(name) for name in rows[kind]})
            for name in (name for name in names if name in part_of):
                raise BadValueError(
                    f"the suite {suite!r} joins {part_of[name]} and {part}, which share the {kind} {name}: "
                    "leave one of these suites out"
                )
            part_of.update(dict.fromkeys(names, part))


def _check_recipe(suite: str, model: str, names: Sequence[str], results: Path) -> None:
    """Raise ``BadValueError`` if the published weights of a model were trained by different recipes."""
    first, *others = names
    recipe = recipe_of(model, results / first)
    for name in others:
        other = recipe_of(model, results / name)
        for flag in (flag for flag in RECIPE if recipe.get(flag) != other.get(flag)):
            values = f"{flag} {recipe.get(flag)!r} in {first} and {other.get(flag)!r} in {name}"
            raise BadValueError(f"the suite {suite!r} joins networks of different recipes: {model} has {values}")


def recipe_of(model: str, folder: Path) -> dict[str, Any]:
    """Return the flags with which the published weights of a model in a suite's ``folder`` were trained."""
    files = sorted((folder / WEIGHTS_FOLDER).glob(f"{model}*{backbones.SUFFIX}"))
    if not files:
        raise DataError(f"{folder / WEIGHTS_FOLDER} has no weights of {model}, so its recipe is unknown")
    return dict(backbones.described(files[0])["locus"]["config"])


def digests(of_parts: Parts) -> dict[str, str]:
    """Return part -> hash of its record, which changes when the part is scored again."""
    return {
        name: json_hash([record.key, [score for score in record.scores if score.metric in (MAIN, DRAW_ERROR)]])
        for name, record in of_parts.items()
    }


def cell_of(suite: Suite, of_parts: Parts) -> Cell:
    """Return the cell of a joined record."""
    first = next(iter(of_parts.values())).cell
    return first.model_copy(update={"partition": PARTITION, "recipe": {"joins": suite.joins, "seed": first.seed}})


def missing(suite: Suite, existing: Sequence[Record], results: Path) -> list[Parts]:
    """Return the parts of the joined records that do not exist, or whose parts have changed since."""
    stored = {record.key: record.data.get(DIGESTS) for record in existing}
    found = parts(suite, results).values()
    return [of_parts for of_parts in found if stored.get(cell_of(suite, of_parts).key) != digests(of_parts)]


def joined(suite: Suite, of_parts: Parts, results: Path) -> tuple[Record, pd.DataFrame]:
    """Return the record of one model and method on the cases of all parts, and its rows per case."""
    tables = [cases.read(record.cell, results / name).assign(part=name) for name, record in of_parts.items()]
    rows = pd.concat(tables, ignore_index=True).drop(columns=["key", *cases.CELL])
    first = next(iter(of_parts.values()))
    record = Record(
        cell=cell_of(suite, of_parts),
        geometry=first.geometry,
        checkpoints=tuple(digest for record in of_parts.values() for digest in record.checkpoints),
        versions=first.versions,
        training=first.training,
        scoring=first.scoring,
        created=max(record.created for record in of_parts.values()),
        rests_on=_counts(of_parts),
        data={DIGESTS: digests(of_parts)},
        scores=(*_main_scores(rows), *_draw_errors(rows, of_parts)),
    )
    return record, rows


def _counts(of_parts: Parts) -> dict[str, int]:
    """Return the sums over parts of the numbers of images, patients and cases."""
    first = next(iter(of_parts.values()))
    names = [name for name, count in first.rests_on.items() if isinstance(count, int) and name != "trainings"]
    return {name: sum(int(record.rests_on.get(name, 0)) for record in of_parts.values()) for name in names}


def hits_of(rows: pd.DataFrame) -> pd.Series:
    """Return the main column of rows per case: the mean over draws of the folds where a baseline has one."""
    hits = rows[MAIN].astype(np.float64)
    name = f"{MEAN_PREFIX}{MAIN}"
    return rows[name].astype(np.float64).fillna(hits) if name in rows else hits


def _main_scores(rows: pd.DataFrame) -> list[Score]:
    """Return the main metric per finding and its mean, with intervals over patients."""
    findings = sorted(set(rows["finding"].astype(str)))
    index = CaseIndex.of(rows["finding"].astype(str).tolist(), rows["patient"].astype(str).tolist())
    column = Column(MAIN, "cross-fitted", hits_of(rows).to_numpy(), np.ones(len(rows)))
    return scores(estimate([column], index, findings, seed=0), findings)


def _draw_errors(rows: pd.DataFrame, of_parts: Parts) -> Iterator[Score]:
    """Yield the standard error from the draws of the folds, which are independent between parts and findings."""
    counts = rows.groupby(["finding", "part"], observed=True).size()
    variances = []
    for finding, of_finding in counts.groupby(level=0, observed=True):
        errors = [of_parts[part].find(DRAW_ERROR, str(finding)) for _, part in of_finding.index]
        if any(error is None for error in errors):
            return
        shares = of_finding.to_numpy() / of_finding.sum()
        values = np.array([error.value for error in errors if error is not None], dtype=np.float64)
        variances.append(float(((shares * values) ** 2).sum()))
    yield Score("mean", DRAW_ERROR, float(np.sqrt(np.sum(variances))) / len(variances), n=len(variances))
