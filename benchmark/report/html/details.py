"""Data of the panel that shows the record behind a number: its cell, counts and software."""

import json
from collections.abc import Iterable
from typing import Any

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.table import with_interval
from core.names import MAIN_PROTOCOL

CELL = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map", "img_size", "seed", "model_id"),
    *("method", "alignment", "protocol", "recipe"),
)
RECORD = ("status", "reason", "source", "rests_on", "versions", "checkpoints", "geometry", "fingerprint")
FIELDS = (*CELL, *RECORD, "training", "scoring", "thresholds", "created", "score")


def details(records: Iterable[Record]) -> dict[str, Any]:
    """Return ``fields``, the distinct ``values``, and for each record's key the index of each field's value."""
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
    index: dict[str, int] = {}
    rows = {r.key: [index.setdefault(encode(value), len(index)) for value in _values(r)] for r in records}
    return {"fields": list(FIELDS), "values": [json.loads(text) for text in index], "records": rows}


def _values(record: Record) -> Iterable[Any]:
    """Yield the values of a row of details, in the order of their names."""
    yield from (getattr(record.cell, name) for name in CELL)
    yield from (getattr(record, name) for name in RECORD)
    for provenance in (record.training, record.scoring):
        yield None if provenance is None else provenance.model_dump(mode="json", exclude_defaults=True)
    wanted = ("cross-fitted", "oracle") if record.cell.protocol == MAIN_PROTOCOL else ()
    yield {origin: record.thresholds[origin] for origin in wanted if origin in record.thresholds}
    yield record.created
    yield None if (main := select.main_score(record)) is None else with_interval(main)
