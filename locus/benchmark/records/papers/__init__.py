"""Numbers from papers as records, one JSON file per paper. Tables mark them and do not rank them.

``wang2017``            Wang et al., "ChestX-ray8", CVPR 2017 (arXiv 1705.02315), tables 4 and 7, finding by finding.
``thoraxpriornet2024``  ThoraX-PriorNet, IEEE Access 2024, shares of boxes above seven IoU thresholds, from its
                        abstract.
``clarity2025``         second-hand: CLARiTy (arXiv 2512.16700) on itself, Li 2022 and PCAN 2022.
``pylon2020``           PYLON (arXiv 2010.11475), pointing game, from its abstract.
``evax2024``            EVA-X (arXiv 2405.05237), mask IoU of Grad-CAM, from its README; threshold chosen on the truth.
``wsrpn2024``           WSRPN (arXiv 2402.11985), average precision on half of the boxed images, from its README.

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


def name(word: str) -> str:
    """Return the paper whose name begins with ``word``: ``wang`` is wang2017. Raises ``UnknownNameError``."""
    matching = [word] if word in names() else [paper for paper in names() if word and paper.startswith(word)]
    if len(matching) != 1:
        raise UnknownNameError("published paper", word, names())
    return matching[0]


def read(word: str) -> list[Record]:
    """Return the records of one paper. Raises ``UnknownNameError``, and ``DataError`` for a broken file."""
    file = FOLDER / f"{name(word)}.json"
    loaded = storage.content(file, ADVICE)
    records = [storage.parse(one, file, ADVICE) for one in (loaded if isinstance(loaded, list) else [loaded])]
    bad = (record.cell.method for record in records if record.reference is None or record.source != "paper")
    if unreferenced := list(bad):
        raise DataError(f"the record of {unreferenced[0]} in {file} has no reference: {ADVICE}")
    return records
