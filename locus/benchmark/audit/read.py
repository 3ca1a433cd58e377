"""A file with somebody's scores by finding, as a record: ``read_values``.

Values that contradict each other are refused, such as more boxes hit at a larger threshold.
"""

import itertools
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from locus.benchmark.audit import grounding
from locus.benchmark.audit.results import COLUMNS, MEAN
from locus.benchmark.records import Cell, Record
from locus.core.errors import DataError
from locus.core.names import duplicates
from locus.core.scores import Score
from locus.datasets.io.annotations import Names

OVERLAP_THRESHOLD = re.compile(r"(iou|iobb)(\.\d+)")
HIT_COLUMNS_TEXT = ", ".join(column.removeprefix("hit@") for column in COLUMNS)
NEED = f"write a row per finding with columns from {HIT_COLUMNS_TEXT}"
UNKNOWN_COUNT = sys.maxsize
"""Number of boxes before the list of boxes is read."""
NEVER_ABOVE = {
    "iou": "dice",
    "pointing": "pointing@cell",
    "hit@iou.1": "hit@iobb.1",
    "hit@iou.5": "hit@iobb.5",
}
"""Rule -> a rule whose value is never smaller: the IoBB of a box is at least its IoU."""
ROUNDING = 0.0101
"""Largest difference that values with two decimals may have because of rounding."""


def read_values(
    file: Path, table: pd.DataFrame, name: str, counts: dict[str, int], truth: str = "NIH"
) -> Record:
    """Return the scores in a table with a row per finding.

    Args:
        file: the file that the table comes from, for errors.
        table: a column ``finding``, a column per threshold or rule, and optionally ``n``, the number of boxes.
        name: name of the row.
        counts: finding -> number of its boxes. A row ``mean`` is allowed if it is in ``counts``.
        truth: data set of the boxes.

    Returns:
        The scores as a record.

    Raises:
        DataError: unknown, missing or repeated findings, columns that are no threshold, and values outside [0,1].
    """
    metric_of_heading = _column if truth == "NIH" else _rule
    headings = [heading for heading in table.columns if heading not in ("finding", "n")]
    metrics = {heading: metric_of_heading(file, heading) for heading in headings}
    repeated_metrics = duplicates(metrics.values())
    if repeated_metrics:
        raise DataError(
            f"{file} has several columns of {repeated_metrics[0].removeprefix('hit@')}: keep one"
        )
    if not metrics:
        raise DataError(f"{file} has no column of a threshold: {NEED}")
    findings = _findings(file, table, counts)
    numbers = table.drop(columns="finding").apply(pd.to_numeric, errors="coerce")
    row_counts = _counts(file, numbers, findings, counts)
    scores: dict[str, list[Score]] = {}
    for heading, metric in metrics.items():
        values = numbers[heading].to_numpy(dtype=np.float64)
        largest = np.inf if metric in grounding.NOT_A_SHARE else 1
        is_wrong = ~((values >= 0) & (values <= largest))
        if is_wrong.any():
            index = int(is_wrong.argmax())
            advice = "write a share from 0 to 1"
            if values[index] > 1:
                advice += "; divide percentages by 100"
            raise DataError(
                f"{file}: {heading} of {findings[index]} is {table[heading].iloc[index]!r}: {advice}"
            )
        rows = zip(findings, values.tolist(), row_counts, strict=True)
        scores[metric] = [Score(finding, metric, value, n=count) for finding, value, count in rows]
    _refuse_rising(file, scores)
    _refuse_larger(file, scores)
    _refuse_other_mean(file, scores)
    if MEAN in counts and MEAN not in findings:
        for metric, metric_scores in scores.items():
            mean = float(np.mean([score.value or 0.0 for score in metric_scores]))
            metric_scores.append(Score(MEAN, metric, mean, n=sum(row_counts)))
    all_scores = tuple(itertools.chain(*scores.values()))
    return Record(cell=Cell(dataset=truth, method=name), source="external", scores=all_scores)


def _findings(file: Path, table: pd.DataFrame, counts: dict[str, int]) -> list[str]:
    """Return the finding of each row. Raises ``DataError`` for unknown, repeated or missing ones."""
    names = Names((), tuple(counts))
    findings = [names.finding(finding, str(file)) for finding in table["finding"]]
    repeated = duplicates(findings)
    if repeated:
        raise DataError(f"{file} has several rows of {repeated[0]}: keep one")
    required = [finding for finding in counts if finding != MEAN]
    missing = [finding for finding in required if finding not in findings]
    if missing and MEAN not in findings:
        advice = f"give a row for each of {', '.join(required)}"
        if MEAN in counts:
            advice += f", or a row {MEAN}"
        raise DataError(f"{file} has no row of {', '.join(missing)}: {advice}")
    return findings


def _refuse_rising(file: Path, scores: dict[str, list[Score]]) -> None:
    """Raise ``DataError`` if more boxes are hit at a larger threshold, which is impossible."""
    for low, high in itertools.pairwise(column for column in COLUMNS if column in scores):
        if low.partition(".")[0] != high.partition(".")[0]:
            continue
        for high_score, low_score in zip(scores[high], scores[low], strict=True):
            if (high_score.value or 0) > (low_score.value or 0):
                high_value = (
                    f"{high.removeprefix('hit@')} of {high_score.finding} is {high_score.value:g}"
                )
                low_value = f"{low.removeprefix('hit@')} with {low_score.value:g}"
                raise DataError(
                    f"{file}: {high_value}, more than {low_value}: a larger threshold cannot hit more boxes"
                )


def _refuse_larger(file: Path, scores: dict[str, list[Score]]) -> None:
    """Raise ``DataError`` for a value above that of a rule which can only be higher."""
    for lower, higher in NEVER_ABOVE.items():
        for lower_score, higher_score in zip(
            scores.get(lower, ()), scores.get(higher, ()), strict=False
        ):
            if (lower_score.value or 0) > (higher_score.value or 0) + ROUNDING:
                first, second = lower.removeprefix("hit@"), higher.removeprefix("hit@")
                lower_value = f"{first} of {lower_score.finding} is {lower_score.value:g}"
                higher_value = f"{second} with {higher_score.value:g}"
                raise DataError(
                    f"{file}: {lower_value}, more than {higher_value}: {first} cannot be larger"
                )


def _refuse_other_mean(file: Path, scores: dict[str, list[Score]]) -> None:
    """Raise ``DataError`` for a row ``mean`` that is not the mean of the other rows, unless cases are pooled."""
    for metric, metric_scores in scores.items():
        if metric.endswith("@pooled"):
            continue
        means = [score.value or 0 for score in metric_scores if score.finding == MEAN]
        values = [score.value or 0 for score in metric_scores if score.finding != MEAN]
        if means and values and abs(means[0] - np.mean(values)) > ROUNDING:
            heading = metric.removeprefix("hit@")
            both = f"the mean of {heading} is {means[0]:g}, but its findings give {np.mean(values):.3f}"
            raise DataError(f"{file}: {both}: correct one of them")


def _counts(
    file: Path, numbers: pd.DataFrame, findings: Sequence[str], counts: dict[str, int]
) -> list[int]:
    """Return the number of boxes behind each row: the column ``n``, or that of the truth."""
    if "n" not in numbers.columns:
        return [counts[finding] for finding in findings]
    for finding, count in zip(findings, numbers["n"].tolist(), strict=True):
        largest = counts[finding]
        if not 1 <= count <= largest or count % 1:
            value = "no number" if np.isnan(count) else f"{count:g}"
            limit = "from 1" if largest == UNKNOWN_COUNT else f"from 1 to {largest}"
            raise DataError(
                f"{file}: n of {finding} is {value}: write a whole number {limit}, the number of boxes"
            )
    return [int(count) for count in numbers["n"]]


def _column(file: Path, heading: str) -> str:
    """Return the column of the table that a heading names: ``iou.3`` is ``hit@iou.3``."""
    matched = OVERLAP_THRESHOLD.fullmatch(heading.strip().lower())
    column = f"hit@{matched[1]}{matched[2]}" if matched else ""
    if column not in COLUMNS:
        raise DataError(
            f"{file}: column {heading!r} is no threshold of the table: use {HIT_COLUMNS_TEXT}"
        )
    return column


def _rule(file: Path, heading: str) -> str:
    """Return the metric that a heading names, which states its rule."""
    if heading not in grounding.RULES:
        problem = (
            "names no rule" if heading in ("score", "confidence", "dice_score") else "is no rule"
        )
        raise DataError(f"{file}: column {heading!r} {problem}: use {', '.join(grounding.RULES)}")
    return heading
