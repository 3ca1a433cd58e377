"""Finalizes the records of a suite: obsolete ones are dropped, paired ones are made, all are packed."""

import logging
from collections.abc import Sequence, Set
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
    current = _drop_obsolete(suite, planned, records_now)
    run_records = [record for record in current if record.source == "run" and record.cell.protocol != PAIRED]
    paired_records = [record for record in current if record.cell.protocol == PAIRED]
    if changed or len(current) < len(records_now) or not paired_records:
        paired_records = paired.paired_records(folder, current)
    published_records = [record for word in suite.published for record in published.read(word)]
    final = records.ordered([*run_records, *paired_records, *published_records])
    if changed or final != list(records_now):
        records.pack(folder, final)
    return final


def _drop_obsolete(suite: Suite, planned: Sequence[Cell], records_now: Sequence[Record]) -> list[Record]:
    """The records without those whose model, protocol, alignment or images the suite no longer has.

    A record of a method that the suite does not list stays, for somebody asked for it by ``--method``.
    """
    wanted = {cell.key for cell in planned}
    if all(_is_wanted(record, wanted) for record in records_now):
        return list(records_now)
    keys_without_method = {_key_without_method(cell) for cell in planned}
    listed, models = {cell.method for cell in planned}, {cell.model_id for cell in planned}
    kept, extra_methods = [], set()
    for record in records_now:
        if _is_wanted(record, wanted):
            kept.append(record)
        elif "weights" in record.cell.recipe and record.cell.model_id not in models:
            kept.append(record)  # a finished model that somebody entered by --checkpoint or --model
        elif record.cell.method not in listed and _key_without_method(record.cell) in keys_without_method:
            kept.append(record)
            extra_methods.add(record.cell.method)
        else:
            log.warning(
                "%s: the cell of record %s is no longer in the suite: its record is removed", suite.name, record.key
            )
    if extra_methods:
        names = ", ".join(sorted(extra_methods))
        log.info("%s: also in its tables, by an earlier --method: %s", suite.name, names)
    return kept


def _is_wanted(record: Record, wanted: Set[str]) -> bool:
    return record.source != "run" or record.cell.protocol == PAIRED or record.key in wanted


def _key_without_method(cell: Cell) -> str:
    """What a cell is but for its method."""
    return cell.model_copy(update={"method": ""}).key
