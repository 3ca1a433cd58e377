"""Somebody's scores beside published results and baselines that see no image: ``benchmark.audit``.

``run``  the command; ``_run_grounding`` for the truths of the suite ``grounding``

No image is needed: NIH's boxes are in the package, the other baselines in the published records of the suite. With
``--data_root_dir``, only the boxes on images of this folder count.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from locus import datasets
from locus.benchmark import records
from locus.benchmark.audit import grounding, literature, results
from locus.benchmark.audit.read import NEED, UNKNOWN_COUNT, read_values
from locus.benchmark.audit.results import COLUMNS, MEAN, Box, Hits
from locus.benchmark.records import Record, papers
from locus.benchmark.report.table import as_text
from locus.core.errors import BadValueError, DataError
from locus.core.files import csv_text, write_text
from locus.core.names import FIXED_BOX, MEAN_PREFIX, plain_name
from locus.core.registry import BASELINES
from locus.core.scores import Estimate
from locus.core.types import Echo
from locus.datasets.base import Dataset
from locus.datasets.io.tables import read_csv
from locus.datasets.nih import BOXED
from locus.flags.cli import CONFIGS
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.single_box import SingleBox

log = logging.getLogger(__name__)
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
    _refuse_taken_name(name, BASELINES.names())
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
    from locus.benchmark.baselines.fixed_box import FixedBox
    from locus.benchmark.maps.cases import box_cases  # imports torch

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
    paper_records = [record for paper in papers.names() for record in papers.read(paper)]
    published = results.published(
        [record for record in paper_records if record.cell.dataset == "NIH"]
    )
    _refuse_taken_name(name, [results.result_name(record) for record in published])
    log.info("scoring fixed_box on them")
    box = Box.of(_hits(box_cases(FixedBox(), samples, data), list(box_counts)))
    rows = [entry, box.record, *published]
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
    result = results.result_name(row)
    trained_on = results.trained_on(row)
    for column in COLUMNS:
        threshold = column.removeprefix("hit@")
        for mean_name, findings in means.items():
            value = results.mean_over(row, column, findings, box)
            if value is None:
                continue
            gap = results.gap(row, column, findings, box)
            gap = gap or Estimate(None)
            ends = ["" if end is None else round(end, 6) for end in (gap.value, gap.low, gap.high)]
            yield (result, trained_on, mean_name, threshold, round(value, 6), *ends, gap.mark)
