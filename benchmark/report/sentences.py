"""Wording of the sentences of a check."""

from collections.abc import Sequence

from benchmark.records import Record
from benchmark.report import select


def network(record: Record, records: Sequence[Record]) -> str:
    """Return the name of a record's network, with image size and seed if ``records`` have several of them."""
    name = select.network(record)
    cells = [r.cell for r in records if select.network(r) == name]
    words = {"img_size": f"{record.cell.img_size} px", "seed": f"seed {record.cell.seed}"}
    return " ".join([name, *(word for field, word in words.items() if len({getattr(c, field) for c in cells}) > 1)])


def listed(words: Sequence[str]) -> str:
    """Join words with commas and "and".

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last


def counted(number: int, word: str) -> str:
    """Format a number with its noun.

    >>> counted(1, "network"), counted(3, "network")
    ('1 network', '3 networks')
    """
    return f"{number} {word}{'s' * (number != 1)}"
