"""The row ``second readers``: ChestX-Det's boxes against NIH's, on the images that both teams read.

It shows how far the boxes of two teams agree. It is not an upper bound and does not measure the skill of a reader: the
teams used different names and extents of findings, and the second team did not know NIH's labels. It does not count
false marks. ChestX-Det has neither Infiltration nor Pneumonia, so its Consolidation is compared with both.

The value of a case is the mean over the boxes of the second team, as in ``readers``; an unmarked finding is a miss.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

import datasets
from benchmark.maps.trained import TrainingRun, select_samples
from benchmark.scoring.protocols.base import Result
from benchmark.scoring.statistics.intervals import LEVEL
from benchmark.suite.readers import compare_boxes, score_rows
from core.boxes import as_boxes
from core.errors import DataError, NotAvailableError
from core.names import ABSENT, MAIN, canonical_finding
from core.scores import Score
from datasets.chestx_det import FINDINGS
from datasets.nih import second_team

STANDS_FOR = {"Infiltration": "Consolidation", "Pneumonia": "Consolidation"}
"""NIH's finding -> the corresponding finding of ChestX-Det, if the names differ."""
POOLED, MARKED = f"{MAIN}@pooled", f"{MAIN}@marked"
"""The main column over all cases pooled, and over only those that the second team marked."""
LIMITS = "no upper bound and no measure of reader skill; false marks are ignored"
Rows = list[dict[str, Any]]


def evaluate(
    trained: Sequence[TrainingRun], findings: Sequence[str], seed: int = 0, images: int | None = None
) -> Result:
    """Score the second team's boxes by protocol ``locus``, on the cases with a truth box on images that it read.

    Shares have Clopper-Pearson intervals with n = patients (approximate: a case's value is a fraction); means over
    findings have BCa intervals. Raises ``NotAvailableError`` if the annotations are missing or share no image.
    """
    rows = _rows(trained, findings, images)
    if not rows:
        raise NotAvailableError("ChestX-Det has none of these images, so there are no second readers")
    result = score_rows(rows, findings, seed)
    marked = [row for row in rows if row["marked"]]
    pooled = [_pooled(POOLED, rows), *([_pooled(MARKED, marked)] if marked else [])]
    by_finding = [_with_exact_interval(score, rows) for score in result.scores]
    return Result([*by_finding, *pooled], result.rows, remark=_remark(rows, pooled))


def _rows(trained: Sequence[TrainingRun], findings: Sequence[str], images: int | None) -> Rows:
    """Return the overlap of the second readers' boxes with the truth, case after case."""
    config = trained[0].config
    try:
        marks = second_team.read(datasets.root_of(config.dataset, config.data_root_dir))
    except DataError as error:
        raise NotAvailableError(f"{ABSENT}: {error}") from error
    samples = [sample for sample in select_samples(trained, images) if sample.image_id in marks]
    rows: Rows = []
    for sample in samples:
        for finding in (finding for finding in findings if finding in sample.boxes):
            named = canonical_finding(STANDS_FOR.get(finding, finding))
            if named in map(canonical_finding, FINDINGS):
                boxes = as_boxes([box for word, box, _ in marks[sample.image_id] if canonical_finding(word) == named])
                case = {"image": sample.image_id, "patient": sample.patient_id, "finding": finding}
                rows.append(case | {"marked": len(boxes) > 0} | compare_boxes(boxes, sample.boxes[finding]))
    return rows


def _with_exact_interval(score: Score, rows: Rows) -> Score:
    """Return the share of one finding with its Clopper-Pearson interval; other scores unchanged."""
    if score.finding == "mean" or score.value is None or score.metric == "mean_iou":
        return score
    patients = {row["patient"] for row in rows if row["finding"] == score.finding}
    return score.with_interval(*clopper_pearson(score.value, len(patients)))


def _pooled(metric: str, rows: Rows) -> Score:
    value = float(np.mean([row[MAIN] for row in rows]))
    low, high = clopper_pearson(value, len({row["patient"] for row in rows}))
    return Score(
        finding="mean", metric=metric, value=value, low=low, high=high, n=len(rows), threshold_origin="cross-fitted"
    )


def clopper_pearson(share: float, patients: int) -> tuple[float, float]:
    """Return the 95% interval of a share over ``patients``; the number of hits is share times patients.

    >>> [round(end, 2) for end in clopper_pearson(0.5, 10)]
    [0.19, 0.81]
    """
    hits, tail = share * patients, (1 - LEVEL) / 2
    low = 0.0 if share == 0 else float(stats.beta.ppf(tail, hits, patients - hits + 1))
    high = 1.0 if share == 1 else float(stats.beta.ppf(1 - tail, hits + 1, patients - hits))
    return low, high


def _remark(rows: Rows, pooled: Sequence[Score]) -> str:
    images = len({row["image"] for row in rows})
    shares = [f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}] of {score.n}" for score in pooled]
    alone = f", {shares[1]} cases that ChestX-Det marked" if len(shares) > 1 else ""
    return f"ChestX-Det's boxes on {images} images, pooled over findings: {shares[0]} cases{alone}; {LIMITS}"
