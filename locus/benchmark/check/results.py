"""Check results that someone else made on NIH, before their rows are merged into published results.

``accepted``  the records that can be merged, with their scores computed again here from their rows per case
``run``       the check as a command
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from locus import backbones, datasets
from locus.benchmark import records
from locus.benchmark.maps import code_of, method_code
from locus.benchmark.records import Record, Score, cases
from locus.benchmark.records.record import CONTRIBUTED
from locus.benchmark.report import grouping
from locus.benchmark.scoring.protocols.base import make_case
from locus.benchmark.scoring.protocols.single_box import SingleBox
from locus.config import ResultsCheckConfig
from locus.core.errors import DataError, examples
from locus.core.names import PEOPLE, PRIOR
from locus.core.types import Echo
from locus.datasets.base import Dataset

DATASET = "NIH"
"""Data set of contributed results: everyone can compute those of the others."""
KNOWN_FILES = re.compile(
    r"(index|gallery)\.html|(examples|published)\.svg|leaderboard\.(csv|md|tex)|(cells|records|cases(-seed\d+)?)\.parquet"
    r"|sources\.csv|weights/.+|(records/)?\.lock|records/(config\.yaml|cases/\w+/[^/]+\.parquet)"
)
"""Files that ``benchmark.score`` and ``benchmark.run`` write."""
OF_BOXES = re.compile(r"patient|iou|iobb|mean_iou|center_inside|hit@\w+\.\d")
"""Columns and metrics that follow from the boxes."""
TOLERANCE = 1e-4
"""Largest difference of a score that was computed again: rows per case have single precision."""


def run(config: ResultsCheckConfig, echo: Echo) -> int:
    """Check the results ``config.folder`` and ``echo`` its rows. Raises ``DataError`` if they cannot be merged."""
    results = records.published() if config.results is None else Path(config.results)
    for record, rows in accepted(Path(config.folder), results / config.suite):
        echo(f"{record.method}: {grouping.main_value(record)} at IoU > .3, as computed again from {len(rows)} cases")
    echo(f"{config.folder} can be merged into {config.suite}")
    return 0


def accepted(folder: Path, published: Path) -> list[tuple[Record, pd.DataFrame]]:
    """Return the records of methods and baselines by the main protocol in ``folder``, and their rows per case.

    They are without the suite's own records and the scores that rows per case do not give. ``published``: the folder of
    the suite. Raises ``DataError`` for a file that is unknown or damaged, for other images, boxes, code or cases, and
    for a score that its boxes do not give.
    """
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if not path.is_dir()]
    if unknown := [name for name in names if KNOWN_FILES.fullmatch(name) is None]:
        raise DataError(f"{folder} has files that Locus does not write ({examples(unknown)}): remove them")
    of_suite = grouping.main_records(records.load(published), DATASET)
    own = {record.key: record for record in of_suite if CONTRIBUTED not in record.rests_on}
    ours = next((record for record in own.values() if record.method == PRIOR), None)
    given = [r for r in grouping.main_records(records.load(folder), DATASET) if r.cell.method not in PEOPLE]
    given = [record for record in given if record.key not in own]
    if ours is None or not any(map(grouping.is_method, given)):
        raise DataError(f"{folder} has no method with a score on {DATASET} by single_box that {published} lacks")
    listed, checked = datasets.load(DATASET, split="test", images=False), []
    own_pairs = _pairs(cases.read(ours.cell, published))
    for record in given:
        rows = cases.read(record.cell, folder).drop(columns=["key", *cases.CELL])
        problem = next(_differences(record, ours, _pairs(rows), own_pairs), "")
        if not problem:
            again, rows = _again(record, rows, listed)
            problem = next(_wrong_scores(record, again), "")
        if problem:
            raise DataError(f"{folder}: {record.method} {problem}")
        checked.append((again, rows))
    return checked


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return [*zip(rows["image"], rows["finding"], strict=True)]


def _differences(
    record: Record, ours: Record, pairs: list[tuple[str, str]], own_pairs: list[tuple[str, str]]
) -> Iterator[str]:
    """Yield how the images, code and cases of a record differ from ``ours``."""
    if not ours.may_have_cases_of(record):
        yield f"was scored on other images, labels or boxes than the {ours.rests_on['cases']} cases of the lists"
    network = record.code.get("network", "")  # if it is not part of Locus
    if not {"grid", "weights"} & record.cell.recipe.keys():
        network = backbones.network_code({"name": record.cell.backbone})
    if "external" not in record.cell.recipe and record.code != code_of(network, method_code(record.cell.method)):
        yield f"was computed by other code than this version (hashes {record.code}): run it again"
    lacking, unknown = {*own_pairs} - {*pairs}, {*pairs} - {*own_pairs}
    if unknown or lacking or len(pairs) > len(own_pairs):
        first = examples(map(", ".join, sorted(unknown or lacking)))
        yield f"lacks {len(lacking)} of {len(own_pairs)} cases and has {len(unknown)} others ({first})"


def _again(record: Record, rows: pd.DataFrame, listed: Dataset) -> tuple[Record, pd.DataFrame]:
    """Return a record with the scores that its boxes give, and its rows with the overlaps and hits of these boxes.

    The other scores need the maps: those of other thresholds, and of pointing.
    """
    samples = {sample.image_id: sample for sample in listed}
    boxes = rows.reindex(columns=[*cases.BOX, "one"], fill_value=1)
    given = [box[None] if np.isfinite(box).all() else np.zeros((0, 5)) for box in boxes.to_numpy(np.float64)]
    scored = [
        make_case(samples[image], finding, 1.0, None, "conventional", submitted_boxes=of_case)
        for (image, finding), of_case in zip(_pairs(rows), given, strict=True)
    ]
    result = SingleBox().evaluate(scored, listed.findings, record.cell.data_seed)
    scores = [s for s in result.scores if s.threshold_source == "cross-fitted" and OF_BOXES.fullmatch(s.metric)]
    again = {str(name): values for name, values in pd.DataFrame(result.rows).items() if OF_BOXES.fullmatch(str(name))}
    update = {"scores": tuple(scores), "subgroups": (), "thresholds": {}, "hits_by_threshold": ()}
    return record.model_copy(update=update), rows.assign(**again)


def _wrong_scores(record: Record, again: Record) -> Iterator[str]:
    """Yield each score of ``again`` that the record has with another value, interval or n."""
    for score in again.scores:
        given = record.find(score.metric, score.finding, score.threshold_source) or Score("", "")
        numbers = np.array([given[2:6], score[2:6]], dtype=np.float64)
        if not np.allclose(numbers[0], numbers[1], rtol=0, atol=TOLERANCE, equal_nan=True):
            theirs, ours = (f"{one.value} [{one.low}, {one.high}], n = {one.n}" for one in (given, score))
            yield f"says {score.metric} of {score.finding} is {theirs}, but its boxes give {ours}"
