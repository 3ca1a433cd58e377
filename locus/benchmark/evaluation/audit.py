"""Somebody's scores beside published results and baselines that see no image: ``benchmark.audit``.

``read_values``  the file, as a record
``run``          the command; ``_run_grounding`` for the truths of the suite ``grounding``

No image is needed: NIH's boxes are in the package, the other baselines in the published records of the suite. With
``--data_root_dir``, only the boxes on images of this folder count.
"""

import itertools
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from locus import datasets
from locus.benchmark import records
from locus.benchmark.records import Cell, Record, papers
from locus.benchmark.report import grounding, literature
from locus.benchmark.report.literature import COLUMNS, MEAN, Box, Hits
from locus.benchmark.report.table import as_text
from locus.core.cli import CONFIGS
from locus.core.errors import BadValueError, DataError
from locus.core.files import csv_text, write_text
from locus.core.names import (
    FIXED_BOX,
    MEAN_PREFIX,
    UNRANKED_METHODS,
    duplicates,
    is_unusual_number,
    plain_name,
)
from locus.core.scores import Estimate, Score
from locus.core.types import Echo
from locus.datasets.base import Dataset
from locus.datasets.io.annotations import Names
from locus.datasets.io.tables import read_csv
from locus.datasets.nih import BOXED
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.single_box import SingleBox

log = logging.getLogger(__name__)
OVERLAP_THRESHOLD = re.compile(r"(iou|iobb)(\.\d+)")
HIT_COLUMNS_TEXT = ", ".join(column.removeprefix("hit@") for column in COLUMNS)
NEED = f"write a row per finding with columns from {HIT_COLUMNS_TEXT}"
GROUNDING_RESULTS = CONFIGS.parent / "results" / "grounding"
PUBLISHED_BOXES = 984
CSV_HEADER = (
    "result",
    "trained_on",
    "findings",
    "threshold",
    "value",
    "difference",
    "low",
    "high",
    "mark",
)
CsvRows = Sequence[Sequence[object]]
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
BOXES = "to score boxes, use python -m benchmark.score --dataset NIH --boxes"


def run(
    file_name: str | None, entry: str, truth: str, root: str | None, output: str | None, echo: Echo
) -> None:
    """Print the tables with a row for a file of scores.

    Args:
        file_name: CSV file with a row per finding.
        entry: name of its row; empty: the name of the file.
        truth: ``NIH``, or a data set of the suite ``grounding``.
        root: folder with the images of NIH whose boxes count; None: all boxes.
        output: CSV file for all rows; None: no file.
        echo: prints text.

    Raises:
        LocusError: invalid input.
    """
    if not file_name:
        raise BadValueError("the file is missing: python -m benchmark.audit FILE.csv")
    file = Path(file_name)
    if file.suffix.lower() == ".json":
        raise DataError(
            f"{file} is JSON, but audit reads CSV with a row per finding: {BOXES} {file}"
        )
    table = read_csv(file, ("finding",), NEED)
    name = entry or file.stem
    _refuse_taken_name(name, UNRANKED_METHODS)
    if "image" in table.columns:
        raise DataError(
            f"{file} has a row per box, but audit reads a row per finding: {BOXES} {file}"
        )
    if truth == "NIH":
        rows = _run_nih(file, table=table, name=name, root=root, echo=echo)
    elif root is not None:
        raise BadValueError(f"--data_root_dir requires --truth NIH, not {truth}: leave it out")
    else:
        rows = _run_grounding(file, table=table, name=name, truth=truth, echo=echo)
    if output is not None:
        write_text(output, csv_text(rows))
        echo(f"{'all rows as numbers' if truth == 'NIH' else 'all rows'}: {output}")


def _refuse_taken_name(name: str, taken_names: Iterable[str]) -> None:
    """Raise ``BadValueError`` if a reader could take a name for one of the taken ones."""
    for taken_name in taken_names:
        if plain_name(name) == plain_name(taken_name):
            raise BadValueError(
                f"the entry {name} has the name of {taken_name}, another row: use --entry with another name"
            )


def _run_nih(file: Path, table: pd.DataFrame, name: str, root: str | None, echo: Echo) -> CsvRows:
    """Print the tables on NIH's boxes, and return all rows as numbers."""
    unknown_counts = dict.fromkeys((*BOXED, MEAN), UNKNOWN_COUNT)
    read_values(file, table, name, unknown_counts)  # invalid files are reported at once
    from locus.benchmark.maps.cases import fixed_box_cases  # imports torch

    log.info("reading NIH's boxes")
    data = _nih(root)
    samples = [sample for sample in data if sample.boxes]
    if not samples:
        raise DataError(
            f"{root} has no image with one of NIH's boxes: give the folder of their images"
        )
    box_counts = {
        finding: sum(finding in sample.boxes for sample in samples) for finding in data.findings
    }
    box_counts = {finding: count for finding, count in box_counts.items() if count}
    entry = read_values(file, table, name, {**box_counts, MEAN: sum(box_counts.values())})
    log.info("scoring fixed_box on them")
    box = Box.of(_hits(fixed_box_cases(samples, data), list(box_counts)))
    paper_records = [record for paper in papers.names() for record in papers.read(paper)]
    published = literature.published(
        [record for record in paper_records if record.cell.dataset == "NIH"]
    )
    rows = [entry, box.record, *published]
    _refuse_taken_name(name, [literature.result_name(row) for row in rows[1:]])
    lines = [
        literature.sentence(entry, box),
        _boxes_used(box_counts, len(samples), root),
        f"fixed_box {literature.FLOOR}\n{literature.LEGEND}\n",
        *map(as_text, literature.by_measure("NIH", rows, box)),
    ]
    echo("\n".join(lines))
    return [CSV_HEADER, *(line for row in rows for line in _numbers(row, box))]


def _nih(root: str | None) -> Dataset:
    """Return NIH's official test images, which include all boxed ones: those in ``root``, or all of the lists."""
    if root is None:
        return datasets.load("NIH", images=False)
    return datasets.load("NIH", root=root)


def _boxes_used(counts: Mapping[str, int], image_count: int, root: str | None) -> str:
    """Return a sentence on the boxes that the baseline was scored on; ``counts``: their number by finding."""
    total = sum(counts.values())
    if root is None:
        return f"Scored on {total} boxes on {image_count} images, all that NIH published."
    by_finding = ", ".join(f"{finding} {count}" for finding, count in counts.items())
    return (
        f"Scored on {total} of NIH's {PUBLISHED_BOXES} boxes, those on {image_count} images in {root} ({by_finding}); "
        f"published results are on all of them, or on others."
    )


def _run_grounding(file: Path, table: pd.DataFrame, name: str, truth: str, echo: Echo) -> CsvRows:
    """Print the table of a truth of the suite ``grounding`` and what a paper may say; return its rows."""
    if not GROUNDING_RESULTS.is_dir():
        raise DataError(
            f"{GROUNDING_RESULTS} is missing: run python -m benchmark.run --suite grounding"
        )
    recorded = [
        record for record in records.load(GROUNDING_RESULTS) if record.cell.dataset == truth
    ]
    counts = {}
    for record in recorded:
        if record.source == "run":
            counts.update(
                {
                    score.finding: score.n
                    for score in record.scores
                    if score.metric in ("dice", "pointing")
                }
            )
    entry = read_values(file, table, name, counts, truth)
    _refuse_taken_name(name, [row.method for row in recorded])
    rows = [entry, *recorded]
    metrics = [metric for metric in grounding.RULES if entry.find(metric)]
    comparison = grounding.comparison(truth, rows, metrics)
    sentences = [grounding.sentence(entry, metric, rows) for metric in metrics]
    echo("\n".join([*sentences, "", as_text(comparison)]))
    return [comparison.header, *comparison.rows]


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
                first, second = lower.removeprefix("hit@"), higher.removeprefix("hit@")
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
        others = [score for score in metric_scores if score.finding != MEAN]
        if not means or not others:
            continue
        mean = means[0].value or 0
        values = [score.value or 0 for score in others]
        low = high = float(np.mean(values))
        if metric.endswith("@pooled"):
            low, high = min(values), max(values)
        if not low - ROUNDING <= mean <= high + ROUNDING:
            heading = metric.removeprefix("hit@")
            of_findings = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
            both = f"the mean of {heading} is {mean:g}, but its findings give {of_findings}"
            raise DataError(f"{file}: {both}: correct one of them")
        count = sum(score.n for score in others)
        if means[0].n < count:
            raise DataError(
                f"{file}: n of mean is {means[0].n}, but its findings have {count}: correct one of them"
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


def _hits(cases: Sequence[Case], findings: Sequence[str]) -> Hits:
    """Return the hits of ``fixed_box`` as means over draws of the patient folds, as in the tables of the suites."""
    from locus.benchmark.baselines.fold_draws import over_fold_draws  # imports torch

    result = SingleBox().evaluate_draws(over_fold_draws(FIXED_BOX, cases), findings)
    rows = pd.DataFrame(result.rows)
    columns = {name: rows[f"{MEAN_PREFIX}{name}"].to_numpy(dtype=np.float64) for name in COLUMNS}
    return columns, rows["finding"].tolist(), rows["patient"].tolist()


def _numbers(row: Record, box: Box) -> Iterator[tuple[object, ...]]:
    """Yield the lines of a result: each threshold, for the mean over all findings and without those that are solved."""
    means = {MEAN: box.findings}
    if box.solved:
        means[f"{MEAN} without {', '.join(box.solved)}"] = box.rest
    result = literature.result_name(row)
    trained_on = literature.trained_on(row)
    for column in COLUMNS:
        threshold = column.removeprefix("hit@")
        for mean_name, findings in means.items():
            value = literature.mean_over(row, column, findings, box)
            if value is None:
                continue
            gap = literature.gap(row, column, findings, box)
            gap = gap or Estimate(None)
            ends = ["" if end is None else round(end, 6) for end in (gap.value, gap.low, gap.high)]
            yield (result, trained_on, mean_name, threshold, round(value, 6), *ends, gap.mark)
