"""``leaderboard.csv``: every score of every record, one line each."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from benchmark.records.record import Record, Score
from benchmark.report import select

CELL = (
    "dataset",
    "partition",
    "split",
    "backbone",
    "global_pool",
    "attention_map",
    "img_size",
    "seed",
    "model_id",
    "method",
    "alignment",
    "protocol",
)
COLUMNS = (*CELL, "threshold_origin", "finding", "metric", "value", "low", "high", "n", "status", "reason", "source")


def long(records: Sequence[Record]) -> str:
    """The text of the CSV file: ``COLUMNS``, sorted; floats to six decimals, nothing where there is no value."""
    lines = sorted(line for record in records for line in _lines(record))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    return text.getvalue()


def _lines(record: Record) -> Iterator[list[str]]:
    cell = [_split(record) if name == "split" else _word(getattr(record.cell, name)) for name in CELL]
    ending = [record.status, record.reason, record.source]
    if not record.scores:
        yield [*cell, *[""] * 7, *ending]
    for score in record.scores:
        yield [*cell, *_numbers(score), record.status, score.reason or record.reason, record.source]


def _split(record: Record) -> str:
    """The split; with the number of images where slow methods explain a part of them."""
    images = select.explained(record)
    return record.cell.split if images is None else f"{record.cell.split} ({images} images)"


def _numbers(score: Score) -> list[str]:
    values = (score.threshold_origin, score.finding, score.metric, score.value, score.low, score.high, score.n)
    return [_word(value) for value in values]


def _word(value: Any) -> str:
    """Floats by ``repr`` to six decimals, None as nothing."""
    if value is None:
        return ""
    return repr(round(value, 6)) if isinstance(value, float) else str(value)
