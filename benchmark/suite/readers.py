"""The row ``readers``: how well one radiologist localizes the findings that others marked on the same image.

It is an upper bound for scores on such data, not a method: it uses only the truth. A method knows which finding to
show, so a reader is scored only on findings that this reader marked. The cases are those of the methods, in which boxes
of at least two readers overlap; the row does not measure agreement on all marks.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmark.maps.trained import TrainingRun, select_samples
from benchmark.scoring.protocols.base import Result
from benchmark.scoring.protocols.locus import TENTHS
from benchmark.scoring.protocols.pointing import distance
from benchmark.scoring.statistics.patients import CaseIndex
from benchmark.scoring.statistics.summary import Column, estimate, scores
from core.boxes import as_boxes, iobb, iou
from core.errors import NotAvailableError
from core.names import AGREEMENT, MAIN
from core.scores import Origin

MEAN_IOU, POINTING = "mean_iou", "pointing"


def evaluate(
    trained: Sequence[TrainingRun], findings: Sequence[str], seed: int = 0, images: int | None = None
) -> Result:
    """Score the readers of the held-out images by protocol ``locus``, on the cases that at least two of them marked.

    A case's value is the mean over its readers, and over a reader's boxes. There is no threshold: the values fill the
    columns at the cross-fitted threshold. Raises ``NotAvailableError`` if no two readers marked the same finding.
    """
    rows = list(_rows(trained, findings, images))
    if not rows:
        raise NotAvailableError("no two readers marked the same finding on an image, so their agreement is unknown")
    return score_rows(rows, findings, seed)


def score_rows(rows: Sequence[dict[str, Any]], findings: Sequence[str], seed: int) -> Result:
    """Summarise rows with ``image``, ``patient``, ``finding`` and the values of ``compare_boxes``."""
    index = CaseIndex.of([row["finding"] for row in rows], [row["patient"] for row in rows])
    metrics = [word for word in rows[0] if word == MEAN_IOU or "hit@" in word]
    origins: dict[str, Origin] = {**dict.fromkeys(metrics, "cross-fitted"), POINTING: "none"}
    values = {word: np.array([row[word] for row in rows], dtype=np.float64) for word in origins}
    columns = [Column(word, origin, values[word], np.ones(len(rows))) for word, origin in origins.items()]
    case_rows = [{name: row[name] for name in ("image", "patient", "finding")} | {AGREEMENT: row[MAIN]} for row in rows]
    return Result(scores(estimate(columns, index, findings, seed), findings), case_rows)


def _rows(trained: Sequence[TrainingRun], findings: Sequence[str], images: int | None) -> Iterator[dict[str, Any]]:
    """Yield the mean overlap of a reader with the other readers, case after case."""
    chosen = {sample.image_id for sample in select_samples(trained, images)}
    for run in trained:
        data: Any = run.data  # a data set with ``readings``: see ``datasets.vindr_cxr``
        for n, sample in enumerate(data):
            readings = data.readings(n) if sample.image_id in chosen else {}
            for finding in findings:
                readers = readings.values() if finding in sample.boxes else ()
                marked = [as_boxes(boxes[finding]) for boxes in readers if finding in boxes]
                if len(marked) > 1:
                    case = {"image": sample.image_id, "patient": sample.patient_id, "finding": finding}
                    others = (np.concatenate([*marked[:i], *marked[i + 1 :]]) for i in range(len(marked)))
                    overlaps = [compare_boxes(boxes, rest) for boxes, rest in zip(marked, others, strict=True)]
                    yield case | {word: float(np.mean([overlap[word] for overlap in overlaps])) for word in overlaps[0]}


def compare_boxes(values: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """Compare one reader's boxes, (M,4), with those of the others, (N,4): metric -> mean over boxes, 0 without a box.

    >>> compare_boxes([[0, 0, 4, 4]], [[0, 0, 4, 2], [9, 9, 10, 10]])["hit@iou.3"]
    1.0
    >>> compare_boxes([], [[0, 0, 4, 2]])["hit@iou.3"]
    0.0
    """
    boxes = as_boxes(values)
    if not len(boxes):
        return dict.fromkeys(compare_boxes(truth, truth), 0.0)
    best = {"iou": iou(boxes, truth).max(axis=1), "iobb": iobb(boxes, truth).max(axis=1)}
    levels = ((word, tenth) for word, tenths in TENTHS.items() for tenth in tenths)
    hits = {f"hit@{word}.{tenth}": float((best[word] > tenth / 10).mean()) for word, tenth in levels}
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = [distance((float(x), float(y)), truth) == 0 for x, y in centres]
    return {**hits, MEAN_IOU: float(best["iou"].mean()), POINTING: float(np.mean(inside))}
