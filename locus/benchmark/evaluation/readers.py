"""Rows of people's boxes: ``readers``, ``second readers`` and pairs of readers. They are no methods and see no image.

``readers``: how well one radiologist localizes the findings that others marked on the same image. It is an upper bound
for scores on such data. A method knows which finding to show, so a reader is scored only on findings that this reader
marked. The cases are those of the methods, in which boxes of at least two readers overlap; the row does not measure
agreement on all marks.

``second readers``: ChestX-Det's boxes against NIH's, on the images that both teams read. It shows how far the boxes of
two teams agree, but is no upper bound: see ``score_second_readers``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from locus import datasets
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.core.errors import DataError, NotAvailableError
from locus.core.frames import as_boxes, iobb, iou
from locus.core.names import ABSENT, AGREEMENT, MAIN, canonical_finding
from locus.core.scores import Score, ThresholdSource
from locus.core.types import FloatArray
from locus.datasets import nih
from locus.datasets.chestx_det import FINDINGS
from locus.scoring.protocols.base import Result
from locus.scoring.protocols.pointing import distance
from locus.scoring.protocols.single_box import TENTHS
from locus.scoring.statistics.resample import LEVEL, CaseIndex
from locus.scoring.statistics.summary import Column, estimate, scores

MEAN_IOU, POINTING = "mean_iou", "pointing"


def score_readers(
    trained: Sequence[ModelRun], findings: Sequence[str], seed: int = 0, images: int | None = None
) -> Result:
    """Score the readers of the held-out images by ``single_box``, on the cases that at least two of them marked.

    A case's value is the mean over its readers, and over a reader's boxes. There is no threshold: the values fill the
    columns at the cross-fitted threshold.

    Args:
        trained: the training runs, whose data name the held-out images and their readers.
        findings: the findings, in the order of the scores.
        seed: seed of the resamples.
        images: number of images; None: all.

    Returns:
        The scores, and a row per case.

    Raises:
        NotAvailableError: no two readers marked the same finding on an image.
    """
    rows = list(_reader_rows(trained, findings, images))
    if not rows:
        raise NotAvailableError(
            "no two readers marked the same finding on an image, so their agreement is unknown"
        )
    return score_rows(rows, findings, seed)


def score_rows(rows: Sequence[dict[str, Any]], findings: Sequence[str], seed: int) -> Result:
    """Summarise rows with ``image``, ``patient``, ``finding`` and the values of ``compare_boxes``."""
    index = CaseIndex.of([row["finding"] for row in rows], [row["patient"] for row in rows])
    metrics = [word for word in rows[0] if word == MEAN_IOU or "hit@" in word]
    sources: dict[str, ThresholdSource] = {
        **dict.fromkeys(metrics, "cross-fitted"),
        POINTING: "none",
    }
    values = {word: np.array([row[word] for row in rows], dtype=np.float64) for word in sources}
    columns = [
        Column(word, threshold_source, values[word], np.ones(len(rows)))
        for word, threshold_source in sources.items()
    ]
    case_rows = [
        {name: row[name] for name in ("image", "patient", "finding")} | {AGREEMENT: row[MAIN]}
        for row in rows
    ]
    return Result(scores(estimate(columns, index, findings, seed), findings), case_rows)


def _reader_rows(
    trained: Sequence[ModelRun], findings: Sequence[str], images: int | None
) -> Iterator[dict[str, Any]]:
    """Yield the mean overlap of a reader with the other readers, case after case."""
    chosen = {sample.image_id for sample in select_samples(trained, images)}
    for run in trained:
        data: Any = run.data  # a data set with ``readings``: see ``locus.datasets.vindr_cxr``
        for n, sample in enumerate(data):
            readings = data.readings(n) if sample.image_id in chosen else {}
            for finding in findings:
                readers = readings.values() if finding in sample.boxes else ()
                marked = [as_boxes(boxes[finding]) for boxes in readers if finding in boxes]
                if len(marked) > 1:
                    case = {
                        "image": sample.image_id,
                        "patient": sample.patient_id,
                        "finding": finding,
                    }
                    others = (
                        np.concatenate([*marked[:i], *marked[i + 1 :]]) for i in range(len(marked))
                    )
                    overlaps = [
                        compare_boxes(boxes, rest)
                        for boxes, rest in zip(marked, others, strict=True)
                    ]
                    yield case | {
                        word: float(np.mean([overlap[word] for overlap in overlaps]))
                        for word in overlaps[0]
                    }


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
    hits = {
        f"hit@{word}.{tenth}": float((best[word] > tenth / 10).mean()) for word, tenth in levels
    }
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = [distance((float(x), float(y)), truth) == 0 for x, y in centres]
    return {**hits, MEAN_IOU: float(best["iou"].mean()), POINTING: float(np.mean(inside))}


STANDS_FOR = {"Infiltration": "Consolidation", "Pneumonia": "Consolidation"}
"""NIH's finding -> the corresponding finding of ChestX-Det, if the names differ."""
POOLED, MARKED = f"{MAIN}@pooled", f"{MAIN}@marked"
"""The main column over all cases pooled, and over only those that the second team marked."""
LIMITS = "no upper bound and no measure of reader skill; false marks are ignored"
Rows = list[dict[str, Any]]


def score_second_readers(
    trained: Sequence[ModelRun], findings: Sequence[str], seed: int = 0, images: int | None = None
) -> Result:
    """Score the second team's boxes by protocol ``single_box``, on the cases with a truth box on images that it read.

    The row is not an upper bound and does not measure the skill of a reader: the teams used different names and extents
    of findings, and the second team did not know NIH's labels. It does not count false marks. ChestX-Det has neither
    Infiltration nor Pneumonia, so its Consolidation is compared with both. The value of a case is the mean over the
    boxes of the second team, as in ``readers``; an unmarked finding is a miss.

    Shares have Clopper-Pearson intervals with n = patients (approximate: a case's value is a fraction); means over
    findings have BCa intervals.

    Args:
        trained: the training runs, whose data name the held-out images and their readers.
        findings: the findings, in the order of the scores.
        seed: seed of the resamples.
        images: number of images; None: all.

    Returns:
        The scores, of all cases and of those that the second team marked, and a row per case.

    Raises:
        NotAvailableError: the annotations are missing or share no image.
    """
    rows = _second_rows(trained, findings, images)
    if not rows:
        raise NotAvailableError(
            "ChestX-Det has none of these images, so there are no second readers"
        )
    result = score_rows(rows, findings, seed)
    marked = [row for row in rows if row["marked"]]
    pooled = [_pooled(POOLED, rows), *([_pooled(MARKED, marked)] if marked else [])]
    by_finding = [_with_exact_interval(score, rows) for score in result.scores]
    return Result([*by_finding, *pooled], result.rows, remark=_remark(rows, pooled))


def _second_rows(trained: Sequence[ModelRun], findings: Sequence[str], images: int | None) -> Rows:
    """Return the overlap of the second readers' boxes with the truth, case after case."""
    config = trained[0].config
    try:
        marks = nih.read_second_team(datasets.root_of(config.dataset, config.data_root_dir))
    except DataError as error:
        raise NotAvailableError(f"{ABSENT}: {error}") from error
    samples = [sample for sample in select_samples(trained, images) if sample.image_id in marks]
    rows: Rows = []
    for sample in samples:
        for finding in (finding for finding in findings if finding in sample.boxes):
            named = canonical_finding(STANDS_FOR.get(finding, finding))
            if named in map(canonical_finding, FINDINGS):
                boxes = as_boxes(
                    [
                        box
                        for word, box, _ in marks[sample.image_id]
                        if canonical_finding(word) == named
                    ]
                )
                case = {"image": sample.image_id, "patient": sample.patient_id, "finding": finding}
                rows.append(
                    case | {"marked": len(boxes) > 0} | compare_boxes(boxes, sample.boxes[finding])
                )
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
        finding="mean",
        metric=metric,
        value=value,
        low=low,
        high=high,
        n=len(rows),
        threshold_source="cross-fitted",
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
    shares = [
        f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}] of {score.n}" for score in pooled
    ]
    alone = f", {shares[1]} cases that ChestX-Det marked" if len(shares) > 1 else ""
    return f"ChestX-Det's boxes on {images} images, pooled over findings: {shares[0]} cases{alone}; {LIMITS}"


def score_reader_pairs(
    trained: Sequence[ModelRun], findings: Sequence[str], seed: int = 0, images: int | None = None
) -> Result:
    """Score each reader's boxes against those of each other reader of the image, without an agreed truth.

    ``marked``: whether the other reader marked the finding, too. The other metrics are over pairs that both marked: the
    shares of the reader's boxes with an IoU above .3, .5 and .7 with one of the other's, ``pointing``, and ``dice`` and
    ``iou`` of the boxes as masks. Each image counts as a patient; a case is a pair of readers.

    Args:
        trained: the training runs, whose data name the held-out images and their readers.
        findings: the findings, in the order of the scores.
        seed: seed of the resamples.
        images: not used; all images count.

    Returns:
        The scores, without rows per case.
    """
    rows: Rows = []
    data: Any = trained[0].data
    for n, sample in enumerate(data):
        readings = data.readings(n)
        for finding in findings:
            for reader in (word for word, boxes in readings.items() if finding in boxes):
                for other in (boxes for word, boxes in readings.items() if word != reader):
                    case = {
                        "image": sample.image_id,
                        "patient": sample.patient_id,
                        "finding": finding,
                    }
                    rows.append(case | _pair(readings[reader][finding], other.get(finding)))
    index = CaseIndex.of([row["finding"] for row in rows], [row["patient"] for row in rows])
    both = np.array([row["marked"] for row in rows])
    columns = [Column("marked", "none", both, np.ones(len(rows)))]
    for word in [*next(row for row in rows if row["marked"])][4:]:
        columns.append(Column(word, "none", np.array([row.get(word, 0.0) for row in rows]), both))
    return Result(scores(estimate(columns, index, findings, seed), findings), [])


def _pair(boxes: ArrayLike, other: ArrayLike | None) -> dict[str, float]:
    """Return the overlap of the boxes of two readers; only ``marked`` if the other has none."""
    if other is None:
        return {"marked": 0.0}
    shared, *areas = _areas(as_boxes(boxes), as_boxes(other))
    best = iou(boxes, other).max(axis=1)
    hits = {f"hit@iou.{tenth}": float((best > tenth / 10).mean()) for tenth in (3, 5, 7)}
    overlap = {"dice": 2 * shared / sum(areas), "iou": shared / (sum(areas) - shared)}
    return {"marked": 1.0, **hits, POINTING: compare_boxes(boxes, other)[POINTING], **overlap}


def _areas(first: FloatArray, second: FloatArray) -> tuple[float, float, float]:
    """Return the shared area of the unions of two sets of boxes (M,4), and the area of each.

    >>> _areas(np.array([[0, 0, 2, 2], [1, 0, 3, 2.0]]), np.array([[2, 0, 4, 2.0]]))
    (2.0, 6.0, 4.0)
    """
    x, y = (np.unique(np.concatenate([first, second])[:, side::2]) for side in (0, 1))
    cells, inside = np.outer(np.diff(x), np.diff(y)), []
    for boxes in (first, second):
        columns = (boxes[:, :1] <= x[:-1]) & (x[1:] <= boxes[:, 2:3])
        rows = (boxes[:, 1:2] <= y[:-1]) & (y[1:] <= boxes[:, 3:])
        inside.append((columns[:, :, None] & rows[:, None]).any(0))
    one, other = inside
    return float(cells[one & other].sum()), float(cells[one].sum()), float(cells[other].sum())
