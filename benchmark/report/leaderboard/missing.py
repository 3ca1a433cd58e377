"""Table of the cells that are not available or failed, with the reason."""

from collections.abc import Iterable, Sequence

from benchmark.records.record import Record
from benchmark.report.table import NOTHING, Table

HEADER = ("dataset", "backbone", "pooling", "attention", "methods", "protocols", "cells", "status", "reason")
INTRO = "Each of these cells has a record with the reason. Failed cases count as misses in the tables above."


def missing(records: Sequence[Record]) -> Table:
    """Return cells that are not available or failed, one row per model and reason."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        if record.status != "ok":
            c = record.cell
            key = (c.dataset, c.backbone, c.global_pool, c.attention_map, record.status, record.reason)
            groups.setdefault(key, []).append(record)
    rows = tuple(_row(key, groups[key]) for key in sorted(groups))
    keys = tuple(tuple(record.key for record in groups[key]) for key in sorted(groups))
    return Table("Cells not available or failed", INTRO, HEADER, rows, keys)


def _row(key: tuple[str, ...], records: Sequence[Record]) -> tuple[str, ...]:
    methods, protocols = (_list(getattr(r.cell, name) for r in records) for name in ("method", "protocol"))
    return (*(word or NOTHING for word in key[:4]), methods, protocols, str(len(records)), key[4], key[5])


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted({word for word in words if word})) or NOTHING
