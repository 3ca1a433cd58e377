"""How the sentences of a page call a row, and which row it is held against."""

from collections.abc import Iterable

from benchmark.records import Record
from benchmark.report import select
from core.names import PRIOR


def name(row: Record) -> str:
    """A row in words: its method and network.

    >>> from benchmark.records import Cell
    >>> name(Record(cell=Cell(dataset="NIH", backbone="resnet18", global_pool="AVG", method="cam")))
    '`cam` (resnet18, AVG)'
    """
    cell = row.cell
    words = (cell.backbone, cell.global_pool, cell.attention_map)
    return f"`{row.method}` ({', '.join(word for word in words if word not in ('', 'none')) or 'maps as given'})"


def network_name(record: Record) -> str:
    """A network in words: ``custom PCAM``, or ``maps as given`` where it has no name."""
    return str(record.data.get("name") or select.network(record) or "maps as given")


def baseline_of(row: Record, rows: Iterable[Record], method: str = PRIOR) -> Record | None:
    """The row of a baseline of the same network, where there is one.

    ``rows`` are those of a leaderboard; None where the network lacks it.
    """
    network = select.model_of(row)
    return next((each for each in rows if each.cell.method == method and select.model_of(each) == network), None)
