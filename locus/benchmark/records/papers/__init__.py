"""Numbers from papers as records, one JSON file per paper. Tables do not rank them.

Shares of truth boxes hit, first-hand: ``wang2017`` (by finding), ``hermoza2020`` (notebook of the authors),
``rozenberg2020`` (trained on boxes), ``thoraxpriornet2024`` and ``chexradinet2021`` (abstracts).
Second-hand: ``li2018`` (quoted by Rozenberg), ``clarity2025`` (with Li 2022 and PCAN 2022), the paper of Hermoza 2020.
Not reviewed: ``densenet2026``, ``convnext2026``, ``chexnetlocalization2018``.
Other metrics: ``adpd2023``, ``wsrpn2024`` (average precision), ``evax2024``, ``gifsplanation2021`` (mask IoU),
``pylon2020`` (pointing), ``lovt2022`` (Dice).
Without a value that could be read: ``ham2021``, ``rgt2022``, ``scalp2021``.

Values are as published. A mean over findings that a paper does not print is computed here, and ``reason`` says so.
To add a paper, add a file with a list of records that have ``source: paper`` and a ``reference``.
"""

from pathlib import Path

from locus.benchmark.records import Record, storage
from locus.core.errors import DataError, UnknownNameError

FOLDER = Path(__file__).parent
ADVICE = "restore it from version control"
"""Advice for a broken file."""


def names() -> list[str]:
    """Return the names of all papers, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def name(prefix: str) -> str:
    """Return the paper whose name begins with ``prefix``: ``wang`` is wang2017. Raises ``UnknownNameError``."""
    matching = (
        [prefix]
        if prefix in names()
        else [paper for paper in names() if prefix and paper.startswith(prefix)]
    )
    if len(matching) != 1:
        raise UnknownNameError("published paper", prefix, names())
    return matching[0]


def read(prefix: str) -> list[Record]:
    """Return the records of one paper. Raises ``UnknownNameError``, and ``DataError`` for a broken file."""
    file = FOLDER / f"{name(prefix)}.json"
    loaded = storage.content(file, ADVICE)
    records = [
        storage.parse(fields, file, ADVICE)
        for fields in (loaded if isinstance(loaded, list) else [loaded])
    ]
    bad = (
        record.cell.method
        for record in records
        if record.reference is None or record.source != "paper"
    )
    unreferenced = list(bad)
    if unreferenced:
        raise DataError(f"the record of {unreferenced[0]} in {file} has no reference: {ADVICE}")
    return records
