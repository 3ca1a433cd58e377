"""``leaderboard.csv`` and ``strata.csv``: every score of every record, one line each."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
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
GROUP = ("variable", "group")


def long(records: Sequence[Record]) -> str:
    """The text of the CSV file: ``COLUMNS``, sorted; floats to six decimals, nothing where there is no value."""
    return _text(COLUMNS, (line for record in records for line in _lines(record)))


def strata(records: Sequence[Record]) -> str:
    """The same for the scores within strata, with the columns ``GROUP`` behind; the header alone where there are none."""
    return _text((*COLUMNS, *GROUP), (line for record in records for line in _groups(record)))


def _text(header: Sequence[str], lines: Iterable[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(sorted(lines))
    return text.getvalue()


def _lines(record: Record) -> Iterator[list[str]]:
    cell = _cell(record)
    if not record.scores:
        yield [*cell, *[""] * 7, record.status, record.reason, record.source]
    for score in record.scores:
        yield [*cell, *_numbers(score), *_ending(record, score)]


def _groups(record: Record) -> Iterator[list[str]]:
    cell = _cell(record)
    for stratum in record.strata:
        for score in stratum.scores:
            yield [*cell, *_numbers(score), *_ending(record, score), stratum.variable, stratum.group]


def _cell(record: Record) -> list[str]:
    """Its words; the split with the number of images where slow methods explain a part of them."""
    words = {name: _word(getattr(record.cell, name)) for name in CELL}
    images = select.explained_images(record)
    return list({**words, "split": record.cell.split if images is None else f"{record.cell.split} ({images} images)"}.values())


def _ending(record: Record, score: Score) -> list[str]:
    return [record.status, score.reason or record.reason, record.source]


def _numbers(score: Score) -> list[str]:
    values = (score.threshold_origin, score.finding, score.metric, score.value, score.low, score.high, score.n)
    return [_word(value) for value in values]


def _word(value: Any) -> str:
    """Floats by ``repr`` to six decimals, None as nothing."""
    if value is None:
        return ""
    return repr(round(value, 6)) if isinstance(value, float) else str(value)
