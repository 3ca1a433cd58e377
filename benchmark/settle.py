"""The records of a suite when its cells are done: strangers go, those that follow from others are brought up to date."""

import logging
from collections.abc import Sequence
from pathlib import Path

from benchmark import published, records
from benchmark.compare import paired
from benchmark.plan import Suite
from benchmark.records import Cell, Record, cases
from benchmark.words import PAIRED

log = logging.getLogger(__name__)


def settle(suite: Suite, planned: Sequence[Cell], every: Sequence[Record], place: Path) -> list[Record]:
    """What the folder ``place``, whose records are ``every``, holds at last, in the order of its files; ``planned`` are the suite's cells.

    Raises ``DataError`` for broken per-case rows, ``WriteError`` when the disk refuses.
    """
    kept = _without_strangers(suite, planned, every, place)
    own = [record for record in kept if record.source == "run" and record.cell.protocol != PAIRED]
    pairs, papers = paired.write(place, kept), published.write(suite.published, place, kept)
    found = {record.key: record for record in (*own, *pairs, *papers)}
    return sorted(found.values(), key=lambda record: records.path(place, record.cell).name)


def _without_strangers(suite: Suite, planned: Sequence[Cell], every: Sequence[Record], place: Path) -> list[Record]:
    """Remove records whose place the suite no longer has: model, protocol, alignment and images; the others are returned.

    A record of a method that the suite does not list stays, for somebody asked for it by ``--method``.
    """
    wanted, places, listed = {cell.key for cell in planned}, {_place(cell) for cell in planned}, {cell.method for cell in planned}
    kept, guests = [], set()
    for record in every:
        if record.source != "run" or record.key in wanted or record.cell.protocol == PAIRED:
            kept.append(record)
        elif record.cell.method not in listed and _place(record.cell) in places:
            kept.append(record)
            guests.add(record.cell.method)
        else:
            log.warning("%s: the cell of record %s is no longer in the suite: its record is removed", suite.name, record.key)
            for file in (records.path(place, record.cell), cases.path(place, record.cell)):
                file.unlink(missing_ok=True)
    if guests:
        names = ", ".join(sorted(guests))
        log.info("%s: also in its tables, by an earlier --method: %s; remove their records to drop them", suite.name, names)
    return kept


def _place(cell: Cell) -> str:
    """What a cell is but for its method."""
    return cell.model_copy(update={"method": ""}).key
