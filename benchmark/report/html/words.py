"""Names of rows and networks in the sentences of a page."""

from benchmark.records import Record
from benchmark.report import select


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
    """Return the name of a network, such as ``custom PCAM``, or ``maps as given`` if it is unknown."""
    return str(record.data.get("name") or select.network(record) or "maps as given")
