"""Names of rows in the sentences of a page, and the baseline that a row is compared with."""

from collections.abc import Iterable

from benchmark.records import Record
from benchmark.report import select
from core.names import PRIOR


def name(row: Record) -> str:
    """Return the name of a row: its method and network.

    >>> from benchmark.records import Cell
    >>> name(Record(cell=Cell(dataset="NIH", backbone="resnet18", global_pool="AVG", method="cam")))
    '`cam` (resnet18, AVG)'
    """
    cell = row.cell
    words = (cell.backbone, cell.global_pool, cell.attention_map)
    return f"`{row.method}` ({', '.join(word for word in words if word not in ('', 'none')) or 'maps as given'})"


def network_name(record: Record) -> str:
    """Return the name of a network, such as ``custom PCAM``, or ``maps as given`` if it has none."""
    return str(record.data.get("name") or select.network(record) or "maps as given")


def baseline_of(row: Record, rows: Iterable[Record], method: str = PRIOR) -> Record | None:
    """Return the row of a baseline of the same network among a leaderboard's ``rows``, or None."""
    network = select.model_of(row)
    return next((other for other in rows if other.cell.method == method and select.model_of(other) == network), None)
