"""The records of a suite when its cells are done: paired ones are made, those of no cell go, all are packed."""

import logging
from collections.abc import Sequence
from pathlib import Path

from benchmark import records
from benchmark.records import Cell, Record, published
from benchmark.suite import paired
from benchmark.suite.plan import Suite
from core.names import PAIRED

log = logging.getLogger(__name__)


def finalize(
    suite: Suite, planned: Sequence[Cell], records_now: Sequence[Record], folder: Path, changed: bool
) -> list[Record]:
    """Pack the records that ``folder``, whose records are ``records_now``, holds at last, and return them.

    ``planned`` are the suite's cells. Paired records are made again where ``changed`` says that there are new records.
    Raises ``DataError`` for broken per-case rows, ``WriteError`` when the disk refuses.
    """
    kept = _without_strangers(suite, planned, records_now)
    runs = [record for record in kept if record.source == "run" and record.cell.protocol != PAIRED]
    pairs = [record for record in kept if record.cell.protocol == PAIRED]
    if changed or len(kept) < len(records_now) or not pairs:
        pairs = paired.paired_records(folder, kept)
    papers = [record for word in suite.published for record in published.read(word)]
    final = records.ordered([*runs, *pairs, *papers])
    if changed or final != list(records_now):
        records.pack(folder, final)
    return final


def _without_strangers(suite: Suite, planned: Sequence[Cell], records_now: Sequence[Record]) -> list[Record]:
    """The records without those whose model, protocol, alignment or images the suite no longer has.

    A record of a method that the suite does not list stays, for somebody asked for it by ``--method``.
    """
    wanted, slots = {cell.key for cell in planned}, {_slot(cell) for cell in planned}
    listed = {cell.method for cell in planned}
    kept, guests = [], set()
    for record in records_now:
        if record.source != "run" or record.cell.protocol == PAIRED or record.key in wanted:
            kept.append(record)
        elif record.cell.method not in listed and _slot(record.cell) in slots:
            kept.append(record)
            guests.add(record.cell.method)
        else:
            log.warning(
                "%s: the cell of record %s is no longer in the suite: its record is removed", suite.name, record.key
            )
    if guests:
        names = ", ".join(sorted(guests))
        log.info("%s: also in its tables, by an earlier --method: %s", suite.name, names)
    return kept


def _slot(cell: Cell) -> str:
    """What a cell is but for its method."""
    return cell.model_copy(update={"method": ""}).key
