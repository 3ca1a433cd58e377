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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from locus import datasets
from locus.benchmark import records
from locus.benchmark.records import Cell, Record, papers
from locus.benchmark.report import grounding, literature
from locus.benchmark.report.literature import COLUMNS, MEAN, Box, Hits
from locus.benchmark.report.table import as_text
from locus.benchmark.scoring.protocols.base import Case
from locus.benchmark.scoring.protocols.single_box import SingleBox
from locus.benchmark.scoring.statistics.resample import Gap
from locus.config import AuditConfig
from locus.core.cli import CONFIGS
from locus.core.errors import BadValueError, DataError
from locus.core.files import csv_text, write_text
from locus.core.names import FIXED_BOX, MEAN_PREFIX, UNRANKED_METHODS, duplicates
from locus.core.scores import Score
from locus.datasets.base import Dataset
from locus.datasets.io.annotations import Names
from locus.datasets.io.tables import read_csv
from locus.datasets.nih import BOXED

log = logging.getLogger(__name__)
OVERLAP_THRESHOLD = re.compile(r"(iou|iobb)(\.\d+)")
HIT_COLUMNS_TEXT = ", ".join(column.removeprefix("hit@") for column in COLUMNS)
NEED = f"write a row per finding with columns from {HIT_COLUMNS_TEXT}"
GROUNDING_RESULTS = CONFIGS.parent / "results" / "grounding"
PUBLISHED_BOXES = 984
NEVER_ABOVE = {"iou": "dice", "pointing": "pointing@cell"}
"""Rule -> a rule whose value is never smaller."""
ROUNDING = 0.0101
"""Largest difference that values with two decimals may have because of rounding."""
BOXES = "to score boxes, use python -m benchmark.score --dataset NIH --boxes"


def run(config: AuditConfig, echo: Callable[[str], None]) -> int:
    """Print the tables with a row for the file, and write them as CSV if ``config.output`` is set; return 0.

    Raises ``LocusError`` for invalid input.
    """
    if not config.file:
        raise BadValueError("the file is missing: python -m benchmark.audit FILE.csv")
    file = Path(config.file)
    if file.suffix.lower() == ".json":
        raise DataError(f"{file} is JSON, but audit reads CSV with a row per finding: {BOXES} {file}")
    table, name = read_csv(file, ("finding",), NEED), config.entry or file.stem
    if name in UNRANKED_METHODS:
        raise BadValueError(f"the entry {name} has the name of a baseline: use --entry with another name")
    if "image" in table.columns:
        raise DataError(f"{file} has a row per box, but audit reads a row per finding: {BOXES} {file}")
    if config.truth != "NIH" and config.data_root_dir is not None:
        raise BadValueError(f"--data_root_dir requires --truth NIH, not {config.truth}: leave it out")
    if config.truth != "NIH":
        return _run_grounding(config, file, table, name, echo)
    return _run_nih(config, file, table, name, echo)


def _run_nih(config: AuditConfig, file: Path, table: pd.DataFrame, name: str, echo: Callable[[str], None]) -> int:
    """Print the tables on NIH's boxes; return 0."""
    read_values(file, table, name, dict.fromkeys((*BOXED, MEAN), sys.maxsize))  # invalid files are reported at once
    from locus.benchmark.maps.cases import fixed_box_cases  # imports torch

    log.info("reading NIH's boxes")
    data = _nih(config.data_root_dir)
    samples = [sample for sample in data if sample.boxes]
    findings = [finding for finding in data.findings if any(finding in sample.boxes for sample in samples)]
    counts = {finding: sum(finding in sample.boxes for sample in samples) for finding in findings}
    if not samples:
        raise DataError(f"{config.data_root_dir} has no image with one of NIH's boxes: give the folder of their images")
    mine = read_values(file, table, name, {**counts, MEAN: sum(counts.values())})
    log.info("scoring fixed_box on them")
    box = Box.of(_hits(fixed_box_cases(samples, data), findings))
    of_papers = [record for word in papers.names() for record in papers.read(word) if record.cell.dataset == "NIH"]
    rows = [mine, box.record, *literature.published(of_papers)]
    if name in [*map(literature.result_name, rows[1:])]:
        raise BadValueError(f"--entry {name} is the name of another row: choose another name")
    remark = _boxes_used(counts, len(samples), config.data_root_dir)
    legend = f"fixed_box {literature.FLOOR}\n{literature.LEGEND}\n"
    texts = (as_text(one) for one in literature.by_measure("NIH", rows, box))
    echo("\n".join([literature.sentence(mine, box), remark, legend, *texts]))
    if config.output is not None:
        write_text(config.output, _as_csv(rows, box))
        echo(f"all rows as numbers: {config.output}")
    return 0


def _nih(root: str | None) -> Dataset:
    """Return NIH's official test images, which include all boxed ones: those in ``root``, or all of the lists."""
    if root is None:
        return datasets.load("NIH", images=False)
    return datasets.load("NIH", root=root)


def _boxes_used(counts: Mapping[str, int], images: int, root: str | None) -> str:
    """Return a sentence on the boxes that the baseline was scored on; ``counts``: their number by finding."""
    total = sum(counts.values())
    if root is None:
        return f"Scored on {total} boxes on {images} images, all that NIH published."
    by_finding = ", ".join(f"{finding} {n}" for finding, n in counts.items())
    return (
        f"Scored on {total} of NIH's {PUBLISHED_BOXES} boxes, those on {images} images in {root} ({by_finding}); "
        f"published results are on all of them, or on others."
    )


def _run_grounding(config: AuditConfig, file: Path, table: pd.DataFrame, name: str, echo: Callable[[str], None]) -> int:
    """Print the table of a truth of the suite ``grounding`` and what a paper may say; return 0."""
    if not GROUNDING_RESULTS.is_dir():
        raise DataError(f"{GROUNDING_RESULTS} is missing: run python -m benchmark.run --suite grounding")
    known = [record for record in records.load(GROUNDING_RESULTS) if record.cell.dataset == config.truth]
    baselines = (score for record in known if record.source == "run" for score in record.scores)
    counts = {score.finding: score.n for score in baselines if score.metric in ("dice", "pointing")}
    mine = read_values(file, table, name, counts, config.truth)
    metrics = [metric for metric in grounding.RULES if mine.find(metric)]
    made = grounding.comparison(config.truth, [mine, *known], metrics)
    echo("\n".join([*(grounding.sentence(mine, metric, [mine, *known]) for metric in metrics), "", as_text(made)]))
    if config.output is not None:
        write_text(config.output, csv_text([made.header, *made.rows]))
        echo(f"all rows: {config.output}")
    return 0


def read_values(file: Path, table: pd.DataFrame, name: str, counts: dict[str, int], truth: str = "NIH") -> Record:
    """Return the scores in a table with a row per finding; a row ``mean`` is allowed if it is in ``counts``.

    Raises ``DataError`` for unknown, missing or repeated findings, columns that are no threshold, and values outside
    [0,1].
    """
    column_of = _column if truth == "NIH" else _rule
    columns = {word: column_of(file, word) for word in table.columns if word not in ("finding", "n")}
    if twice := duplicates(columns.values()):
        raise DataError(f"{file} has several columns of {twice[0].removeprefix('hit@')}: keep one")
    if not columns:
        raise DataError(f"{file} has no column of a threshold: {NEED}")
    names = Names((), tuple(counts))
    findings = [names.finding(word, str(file)) for word in table["finding"]]
    if repeated := duplicates(findings):
        raise DataError(f"{file} has several rows of {repeated[0]}: keep one")
    if MEAN not in findings and (missing := [finding for finding in counts if finding not in (*findings, MEAN)]):
        needed = ", ".join(finding for finding in counts if finding != MEAN)
        rows = f"give a row for each of {needed}"
        if MEAN in counts:
            rows += f", or a row {MEAN}"
        raise DataError(f"{file} has no row of {', '.join(missing)}: {rows}")
    numbers = table.drop(columns="finding").apply(pd.to_numeric, errors="coerce")
    n = _counts(file, numbers, findings, counts)
    scores: dict[str, list[Score]] = {}
    for word, column in columns.items():
        values = numbers[word].to_numpy(dtype=np.float64)
        if (wrong := ~((values >= 0) & (values <= (np.inf if column in grounding.NOT_A_SHARE else 1)))).any():
            at = int(wrong.argmax())
            shown, percent = table[word].iloc[at], "; divide percentages by 100" if values[at] > 1 else ""
            raise DataError(f"{file}: {word} of {findings[at]} is {shown!r}: write a share from 0 to 1{percent}")
        scores[column] = [Score(f, column, v, n=k) for f, v, k in zip(findings, values.tolist(), n, strict=True)]
    _refuse_rising(file, scores)
    _refuse_larger(file, scores)
    _refuse_other_mean(file, scores)
    if MEAN in counts and MEAN not in findings:
        for column, of_findings in scores.items():
            mean = float(np.mean([score.value or 0.0 for score in of_findings]))
            of_findings.append(Score(MEAN, column, mean, n=sum(n)))
    all_scores = tuple(itertools.chain(*scores.values()))
    return Record(cell=Cell(dataset=truth, method=name), source="external", scores=all_scores)


def _refuse_rising(file: Path, scores: dict[str, list[Score]]) -> None:
    """Raise ``DataError`` if more boxes are hit at a larger threshold, which is impossible."""
    for low, high in itertools.pairwise(column for column in COLUMNS if column in scores):
        if low.partition(".")[0] == high.partition(".")[0]:
            for fewer, more in zip(scores[high], scores[low], strict=True):
                if (fewer.value or 0) > (more.value or 0):
                    names = high.removeprefix("hit@"), low.removeprefix("hit@")
                    high_value = f"{names[0]} of {more.finding} is {fewer.value:g}"
                    sentence = f"{high_value}, more than {names[1]} with {more.value:g}"
                    raise DataError(f"{file}: {sentence}: a larger threshold cannot hit more boxes")


def _refuse_larger(file: Path, scores: dict[str, list[Score]]) -> None:
    """Raise ``DataError`` for a value above that of a rule which can only be higher."""
    for lower, higher in NEVER_ABOVE.items():
        for less, more in zip(scores.get(lower, ()), scores.get(higher, ()), strict=False):
            if (less.value or 0) > (more.value or 0) + ROUNDING:
                values = f"{lower} of {less.finding} is {less.value:g}, more than {higher} with {more.value:g}"
                raise DataError(f"{file}: {values}: {lower} cannot be larger")


def _refuse_other_mean(file: Path, scores: dict[str, list[Score]]) -> None:
    """Raise ``DataError`` for a row ``mean`` that is not the mean of the other rows, unless cases are pooled."""
    for column, of_findings in scores.items():
        if column.endswith("@pooled"):
            continue
        means = [score.value or 0 for score in of_findings if score.finding == MEAN]
        others = [score.value or 0 for score in of_findings if score.finding != MEAN]
        if means and others and abs(means[0] - np.mean(others)) > ROUNDING:
            values = f"the mean of {column} is {means[0]:g}, but its findings give {np.mean(others):.3f}"
            raise DataError(f"{file}: {values}: correct one of them")


def _counts(file: Path, numbers: pd.DataFrame, findings: Sequence[str], counts: dict[str, int]) -> list[int]:
    """Return the number of boxes behind each row: the column ``n``, or that of the truth."""
    if "n" not in numbers.columns:
        return [counts[finding] for finding in findings]
    for finding, n in zip(findings, numbers["n"].tolist(), strict=True):
        if n not in range(1, counts[finding] + 1):
            shown, most = "no number" if np.isnan(n) else f"{n:g}", f"{counts[finding]}, the number of boxes"
            raise DataError(f"{file}: n of {finding} is {shown}: write a whole number from 1 to {most}")
    return [int(n) for n in numbers["n"]]


def _column(file: Path, word: str) -> str:
    """Return the column of the table that a heading names: ``iou.3`` is ``hit@iou.3``."""
    matched = OVERLAP_THRESHOLD.fullmatch(word.strip().lower())
    column = f"hit@{matched[1]}{matched[2]}" if matched else ""
    if column not in COLUMNS:
        raise DataError(f"{file}: column {word!r} is no threshold of the table: use {HIT_COLUMNS_TEXT}")
    return column


def _rule(file: Path, word: str) -> str:
    """Return the metric that a heading names, which states its rule."""
    if word not in grounding.RULES:
        is_score = "names no rule" if word in ("score", "confidence", "dice_score") else "is no rule"
        raise DataError(f"{file}: column {word!r} {is_score}: use {', '.join(grounding.RULES)}")
    return word


def _hits(cases: Sequence[Case], findings: Sequence[str]) -> Hits:
    """Return the hits of ``fixed_box`` as means over draws of the patient folds, as in the tables of the suites."""
    from locus.benchmark.maps.fold_draws import over_fold_draws  # imports torch

    result = SingleBox().evaluate_draws(over_fold_draws(FIXED_BOX, cases), findings)
    rows = pd.DataFrame(result.rows)
    columns = {name: rows[f"{MEAN_PREFIX}{name}"].to_numpy(dtype=np.float64) for name in COLUMNS}
    return columns, rows["finding"].tolist(), rows["patient"].tolist()


def _as_csv(rows: Sequence[Record], box: Box) -> str:
    """Return the rows as CSV: a line per result, mean and threshold."""
    names = ("result", "trained_on", "findings", "threshold", "value", "difference", "low", "high", "mark")
    return csv_text([names, *(line for row in rows for line in _numbers(row, box))])


def _numbers(row: Record, box: Box) -> Iterator[tuple[object, ...]]:
    means = {MEAN: box.findings} | ({f"{MEAN} without {', '.join(box.solved)}": box.rest} if box.solved else {})
    start = literature.result_name(row), literature.trained_on(row)
    for column in COLUMNS:
        for word, names in means.items():
            if (value := literature.mean_over(row, column, names, box)) is not None:
                gap = literature.gap(row, column, names, box)
                ends = [round(end, 6) if np.isfinite(end) else "" for end in gap or ()] or [""] * len(Gap._fields)
                yield (*start, word, column.removeprefix("hit@"), round(value, 6), *ends, gap.mark if gap else "")
