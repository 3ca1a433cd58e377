"""Score ``prior`` and ``fixed_box`` of published suites again, from the truth boxes alone, and store their records.

    python -m tools.floors nih nih-sample nih-heldout

Both are means over draws of the patient folds and need no network and no image: the truth of NIH ships with the
package, and generated images are made again. Scores at thresholds of validation images stay as they were. Then run
``python -m benchmark.run --all`` for the tables.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from locus import datasets
from locus.benchmark import records
from locus.benchmark.baselines.fold_draws import over_fold_draws
from locus.benchmark.maps import subgroups
from locus.benchmark.records import Record, cases
from locus.benchmark.suite import plan
from locus.core.names import BLIND, FIXED_BOX, MAIN, MAIN_PROTOCOL
from locus.core.types import Sample
from locus.datasets import load_split
from locus.scoring.protocols.base import Result, make_case
from locus.scoring.protocols.single_box import SingleBox

GROUPS = ("size", "view", "sex", "age", "co_occurrence", "classifier_correct")
NO_BOX = np.zeros((1, 5))
NO_MAP = np.zeros((1, 1))


def truth_of(suite: str) -> dict[str, Sample]:
    """Return image -> its sample with truth boxes."""
    config = plan.models(plan.load(suite))[0].trainings[0]
    if config.dataset.startswith("NIH"):
        samples = datasets.load(
            "NIH", images=False, split="test", findings=config.num_classes, partition="official"
        )
    else:
        samples = load_split(config, "test")
    return {sample.image_id: sample for sample in samples}


def score(record: Record, rows: pd.DataFrame, truth: Mapping[str, Sample]) -> Result:
    """Return the mean result over draws on the cases of the published ``rows``."""
    pairs = zip(rows["image"], rows["finding"], strict=True)
    boxes = NO_BOX if record.cell.method == FIXED_BOX else None
    given = None if record.cell.method == FIXED_BOX else NO_MAP
    made = [
        make_case(truth[image], name, 1.0, given, "conventional", submitted_boxes=boxes)
        for image, name in pairs
    ]
    findings = [
        one.finding
        for one in record.scores
        if (one.metric, one.threshold_source) == (MAIN, "cross-fitted")
    ]
    draws = over_fold_draws(record.cell.method, made)
    return SingleBox().evaluate_draws(
        draws, [name for name in findings if name != "mean"], record.cell.data_seed
    )


def renewed(
    record: Record, rows: pd.DataFrame, result: Result
) -> tuple[Record, list[dict[str, Any]]]:
    """Return the record and its rows per case with the scores of ``result``."""
    findings = list(dict.fromkeys(one.finding for one in result.scores if one.finding != "mean"))
    groups = {
        name: dict(zip(_pairs(rows), rows[name], strict=True)) for name in GROUPS if name in rows
    }
    groups = {
        name: labels
        for name, labels in groups.items()
        if any(isinstance(one, str) for one in labels.values())
    }
    on_validation = [score for score in record.scores if score.threshold_source == "validation"]
    scores = [score for score in result.scores if score.threshold_source != "validation"]
    fields = {
        "scores": (*scores, *on_validation),
        "thresholds": {**record.thresholds, **result.thresholds},
        "hits_by_threshold": tuple(result.hits_by_threshold),
        "subgroups": subgroups.scores(result.rows, groups, findings, record.cell.data_seed),
    }
    labelled = [
        {
            **row,
            **{
                name: labels.get((row["image"], row["finding"]), "")
                for name, labels in groups.items()
            },
        }
        for row in result.rows
    ]
    return record.model_copy(update=fields), labelled


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(rows["image"], rows["finding"], strict=True))


def renew(suite: str) -> None:
    """Score the baselines of a suite again and pack its records."""
    folder = records.published() / suite
    existing = records.load(folder)
    truth = truth_of(suite)
    results: dict[tuple[Any, ...], Result] = {}
    for record in existing:
        is_floor = record.cell.method in BLIND and record.cell.protocol == MAIN_PROTOCOL
        if not is_floor or record.cell.fitted_on is not None or not record.scores:
            continue
        rows = cases.read(record.cell, folder)
        key = record.cell.method, record.cell.data_seed, *_pairs(rows)
        if key not in results:
            results[key] = score(record, rows, truth)
        again, labelled = renewed(record, rows, results[key])
        print(record.cell.model_id, record.cell.method, _main(record), _main(again), flush=True)
        cases.write(labelled, record.cell, folder)
        records.write(again, folder)
    records.pack(folder, records.ordered(records.load(folder)))


def _main(record: Record) -> float | None:
    found = record.find(MAIN, "mean", "cross-fitted")
    return None if found is None else found.value


def main(argv: Sequence[str] | None = None) -> None:
    """Renew the suites of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="+")
    for suite in parser.parse_args(argv).suites:
        renew(suite)


if __name__ == "__main__":
    main()
