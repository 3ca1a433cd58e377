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
from locus.core.names import duplicates, is_unusual_number
from locus.core.scores import Score
from locus.datasets.io.annotations import Names

OVERLAP_THRESHOLD = re.compile(r"(iou|iobb)(\.\d+)")
HIT_COLUMNS_TEXT = ", ".join(column.removeprefix("hit@") for column in COLUMNS)
NEED = f"write a row per finding with columns from {HIT_COLUMNS_TEXT}"
UNKNOWN_COUNT = sys.maxsize
"""Number of boxes before the list of boxes is read."""
OVERLAP_PAIRS = [
    (high, low)
    for high, low in itertools.permutations(COLUMNS, 2)
    if high.startswith("hit@iou")
    and low.startswith("hit@iobb")
    and float(high.removeprefix("hit@iou")) >= float(low.removeprefix("hit@iobb"))
]
"""Hits at an IoU, and hits at an IoBB that are never fewer: the IoBB of a box is at least its IoU."""
NEVER_ABOVE = (("iou", "dice"), ("pointing", "pointing@cell"), *OVERLAP_PAIRS)
"""Rule, and a rule whose value is never smaller."""
ROUNDING = 0.0101
"""Largest difference that values with two decimals may have because of rounding."""
SMALLEST_DIFFERENCE = 1e-9
"""Differences of shares below it are due to rounding in binary numbers."""
LARGEST_FIRST_BOX = 10
"""Largest value of a rule that adds up boxes: no truth has more boxes of a finding in a mean image."""


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
        DataError: unknown, missing or repeated findings, columns that are no threshold, and values that no boxes give.
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
    cells = table.drop(columns="finding")
    numbers = cells.mask(cells.map(is_unusual_number)).apply(pd.to_numeric, errors="coerce")
    row_counts = _counts(file, numbers, findings, counts)
    if "n" in table.columns:
        _refuse_smaller_mean_count(file, findings, row_counts)
    scores: dict[str, list[Score]] = {}
    for heading, metric in metrics.items():
        values = numbers[heading].to_numpy(dtype=np.float64)
        largest = LARGEST_FIRST_BOX if metric in grounding.NOT_A_SHARE else 1
        is_wrong = ~((values >= 0) & (values <= largest))
        if is_wrong.any():
            index = int(is_wrong.argmax())
            advice = f"write a number from 0 to {largest}"
            if values[index] > largest:
                advice += "; divide percentages by 100"
            raise DataError(
                f"{file}: {heading} of {findings[index]} is {table[heading].iloc[index]!r}: {advice}"
            )
        if "n" in table.columns and _is_share_of_boxes(metric):
            _refuse_other_share(file, table, heading, findings, row_counts)
        rows = zip(findings, values.tolist(), row_counts, strict=True)
        scores[metric] = [Score(finding, metric, value, n=count) for finding, value, count in rows]
    _refuse_rising(file, scores)
    _refuse_larger(file, scores)
    _refuse_larger_dice(file, scores)
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
    for lower, higher in NEVER_ABOVE:
        for lower_score, higher_score in zip(
            scores.get(lower, ()), scores.get(higher, ()), strict=False
        ):
            if (lower_score.value or 0) > (higher_score.value or 0) + ROUNDING:
                first = lower.removeprefix("hit@")
                second = higher.removeprefix("hit@")
                lower_value = f"{first} of {lower_score.finding} is {lower_score.value:g}"
                higher_value = f"{second} with {higher_score.value:g}"
                raise DataError(
                    f"{file}: {lower_value}, more than {higher_value}: {first} cannot be larger"
                )


def _refuse_larger_dice(file: Path, scores: dict[str, list[Score]]) -> None:
    """Raise ``DataError`` for a mean Dice above 2·IoU/(1 + IoU), the largest that images of a mean IoU can have."""
    for dice, iou in zip(scores.get("dice", ()), scores.get("iou", ()), strict=False):
        largest_iou = (iou.value or 0) + ROUNDING
        largest_dice = 2 * largest_iou / (1 + largest_iou)
        if (dice.value or 0) > largest_dice:
            values = f"dice of {dice.finding} is {dice.value:g} with an iou of {iou.value:g}"
            raise DataError(
                f"{file}: {values}, but Dice is at most 2·IoU/(1 + IoU): correct one of them"
            )


def _is_share_of_boxes(metric: str) -> bool:
    """Return whether a metric is a number of hits divided by a number of boxes."""
    return metric in COLUMNS or (metric in grounding.RULES and grounding.RULES[metric].is_share)


def _refuse_other_share(
    file: Path,
    table: pd.DataFrame,
    heading: str,
    findings: Sequence[str],
    row_counts: Sequence[int],
) -> None:
    """Raise ``DataError`` for a share that no whole number of hits among the stated boxes gives."""
    for finding, text, count in zip(findings, table[heading], row_counts, strict=True):
        if finding == MEAN:
            continue
        value = float(text)
        hits = round(value * count)
        decimals = len(text.strip().partition(".")[2])
        last_digit = 10.0**-decimals
        if abs(value - hits / count) > max(last_digit, SMALLEST_DIFFERENCE):
            nearest = f"{hits} of {count} is {hits / count:.3f}"
            raise DataError(
                f"{file}: {heading} of {finding} is {text}, which no number of hits among {count} boxes gives "
                f"({nearest}): correct it or n, and give the share of one training run"
            )


def _refuse_other_mean(file: Path, scores: dict[str, list[Score]]) -> None:
    """Raise ``DataError`` for a row ``mean`` that the other rows cannot give.

    It is their mean. Where cases are pooled it is a weighted mean, which is between the smallest and the largest value.
    """
    for metric, metric_scores in scores.items():
        means = [score for score in metric_scores if score.finding == MEAN]
        finding_scores = [score for score in metric_scores if score.finding != MEAN]
        if not means or not finding_scores:
            continue
        mean = means[0].value or 0
        values = [score.value or 0 for score in finding_scores]
        low = high = float(np.mean(values))
        if metric.endswith("@pooled"):
            low, high = min(values), max(values)
        if not low - ROUNDING <= mean <= high + ROUNDING:
            heading = metric.removeprefix("hit@")
            of_findings = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
            both = f"the mean of {heading} is {mean:g}, but its findings give {of_findings}"
            raise DataError(f"{file}: {both}: correct one of them")


def _refuse_smaller_mean_count(
    file: Path, findings: Sequence[str], row_counts: Sequence[int]
) -> None:
    """Raise ``DataError`` if the stated ``n`` of ``mean`` is smaller than the sum over its findings."""
    count_of = dict(zip(findings, row_counts, strict=True))
    mean_count = count_of.pop(MEAN, None)
    total = sum(count_of.values())
    if mean_count is not None and mean_count < total:
        raise DataError(
            f"{file}: n of mean is {mean_count}, but its findings have {total}: correct one of them"
        )


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
