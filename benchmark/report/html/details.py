"""The records behind the numbers of a page, for its panel: what each of them is, rests on and was made with."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.leaderboard.entries import mean_record, trainings
from benchmark.report.table import with_interval
from core.names import MAIN_PROTOCOL

CELL = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map", "img_size", "seed", "model_id"),
    *("method", "alignment", "protocol", "recipe"),
)
RECORD = ("status", "reason", "source", "rests_on", "versions", "checkpoints", "geometry", "fingerprint")
FIELDS = (*CELL, *RECORD, "training", "scoring", "thresholds", "created", "score")
PLAIN = (str, int, type(None))


def keys_of_entries(records: Sequence[Record]) -> dict[str, list[str]]:
    """Key of a leaderboard's row -> the keys of its trainings' records.

    A row of several trainings has a key of its own, by which no record is found: a click on it shows those of its
    trainings.
    """
    parts = [(name, part) for name in select.datasets(records) for part in (None, *select.parts(records, name))]
    groups = (group for name, part in parts for group in trainings(select.board(records, name, part)))
    return {mean_record(group).key: [record.key for record in group] for group in groups}


def details(records: Iterable[Record]) -> dict[str, Any]:
    """``fields``, ``values`` and per record's key the number of each field's value: what many share stands once."""
    numbers: dict[tuple[type | None, Any], int] = {}
    known: dict[str, int] = {}
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode

    def number(value: Any) -> int:
        if isinstance(value, PLAIN):
            return numbers.setdefault((type(value), value), len(numbers))
        if (same := known.get(text := repr(value))) is None:  # many say the same, and JSON takes longer
            same = known[text] = numbers.setdefault((None, encode(value)), len(numbers))
        return same

    rows = {record.key: [number(value) for value in _values(record)] for record in records}
    values = [json.loads(value) if kind is None else value for kind, value in numbers]
    return {"fields": list(FIELDS), "values": values, "records": rows}


def _values(record: Record) -> Iterable[Any]:
    yield from (getattr(record.cell, name) for name in CELL)
    yield from (getattr(record, name) for name in RECORD)
    for provenance in (record.training, record.scoring):
        yield None if provenance is None else provenance.model_dump(mode="json", exclude_defaults=True)
    wanted = ("cross-fitted", "oracle") if record.cell.protocol == MAIN_PROTOCOL else ()
    yield {origin: record.thresholds[origin] for origin in wanted if origin in record.thresholds}
    yield record.created
    yield None if (main := select.main_score(record)) is None else with_interval(main)
