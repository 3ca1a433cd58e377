"""The row ``readers``: how well one radiologist localizes what the others have marked on the same image.

It is the ceiling of a score on such data, and no method: it looks at no network, only at truth. A method knows which
finding to show, so a reader is asked only about findings that he marked. Cases are the methods', on which boxes of two
readers or more overlapped: how far readers agree on all that they marked is not said here.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from benchmark.maps.trained import Trained, select_samples
from benchmark.protocols.base import Result
from benchmark.protocols.locus import TENTHS
from benchmark.protocols.pointing import distance
from benchmark.statistics.patients import CaseIndex
from benchmark.statistics.summary import Column, estimate, scores
from core.boxes import as_boxes, iobb, iou
from core.errors import NotAvailableError
from core.types import FloatArray
from datasets.vindr_cxr.readers import Readings

MEAN_IOU, POINTING = "mean_iou", "pointing"


class ReaderDataset(Protocol):
    """A data set that keeps what each of its readers marked."""

    def readings(self, index: int) -> Readings:
        """Reader -> finding -> (M,4) boxes on the image at ``index``, in its frame."""


def evaluate(trained: Sequence[Trained], findings: Sequence[str], seed: int = 0, images: int | None = None) -> Result:
    """Protocol ``locus`` for the readers of the held-out images, on the cases that at least two of them marked.

    A case's figure is the mean over its readers, and over a reader's boxes. There is no threshold; what the tables show
    at the cross-fitted one stands there. Raises ``NotAvailableError`` where no two readers marked the same.
    """
    rows = list(_rows(trained, findings, images))
    if not rows:
        raise NotAvailableError(
            "no two readers marked the same finding on an image, as where the truth is a consensus: no agreement"
        )
    who = CaseIndex.of([row["finding"] for row in rows], [row["patient"] for row in rows])
    metrics = [word for word in rows[0] if word == MEAN_IOU or "hit@" in word]
    columns = [Column(word, "cross-fitted", _column(rows, word), np.ones(len(rows))) for word in metrics]
    columns.append(Column(POINTING, "none", _column(rows, POINTING), np.ones(len(rows))))
    return Result(scores(estimate(columns, who, findings, seed), findings), [])


def _rows(trained: Sequence[Trained], findings: Sequence[str], images: int | None) -> Iterator[dict[str, Any]]:
    chosen = {sample.image_id for sample in select_samples(trained, images)}
    for run in trained:
        read = cast(ReaderDataset, run.data)
        for n, sample in enumerate(run.data):
            readings = read.readings(n) if sample.image_id in chosen else {}
            for finding in findings:
                readers = readings.values() if finding in sample.boxes else ()
                marked = [as_boxes(boxes[finding]) for boxes in readers if finding in boxes]
                if len(marked) > 1:
                    who = {"patient": sample.patient_id, "finding": finding}
                    yield who | _mean([_against(boxes, _others(marked, i)) for i, boxes in enumerate(marked)])


def _others(marked: Sequence[FloatArray], i: int) -> FloatArray:
    return np.concatenate([boxes for j, boxes in enumerate(marked) if j != i])


def _against(values: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """One reader's boxes, (M,4), against those of the others, (N,4): metric -> mean over his boxes.

    >>> _against([[0, 0, 4, 4]], [[0, 0, 4, 2], [9, 9, 10, 10]])["hit@iou.3"]
    1.0
    """
    boxes = as_boxes(values)
    best = {"iou": iou(boxes, truth).max(axis=1), "iobb": iobb(boxes, truth).max(axis=1)}
    hits = {
        f"hit@{word}.{tenth}": float((best[word] > tenth / 10).mean())
        for word, tenths in TENTHS.items()
        for tenth in tenths
    }
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = [distance((float(x), float(y)), truth) == 0 for x, y in centres]
    return {**hits, MEAN_IOU: float(best["iou"].mean()), POINTING: float(np.mean(inside))}


def _mean(each: Sequence[dict[str, float]]) -> dict[str, float]:
    return {word: float(np.mean([one[word] for one in each])) for word in each[0]}


def _column(rows: Sequence[dict[str, Any]], word: str) -> FloatArray:
    return np.array([row[word] for row in rows], dtype=np.float64)
