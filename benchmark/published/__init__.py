"""Numbers from papers as records, one JSON file per paper: shown beside ours, marked, never ranked.

``wang2017``     Wang et al., "ChestX-ray8", CVPR 2017 (arXiv 1705.02315), tables 4 and 7, finding by finding.
``clarity2025``  second-hand: what CLARiTy (arXiv 2512.16700) reports of itself and of others, not verified.
``pylon2020``    PYLON (arXiv 2010.11475), pointing game, from its abstract.

A further paper is a further file: a list of records with ``source: paper``, whose ``reason`` says what they rest on.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from benchmark import records
from benchmark.records import Record
from benchmark.records.history import upgrade
from core.errors import UnknownNameError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The words of the papers in the tree, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def check(word: str) -> None:
    """Raise ``UnknownNameError`` for a word that is no paper's."""
    if word not in names():
        raise UnknownNameError("published paper", word, names())


def read(word: str) -> list[Record]:
    """The records of one paper. Raises ``UnknownNameError``."""
    check(word)
    file = FOLDER / f"{word}.json"
    return [Record.model_validate(upgrade(content, file)) for content in json.loads(file.read_text(encoding="utf-8"))]


def write(words: Iterable[str], place: Path | str) -> list[Record]:
    """Put the records of these papers into the suite folder ``place``, and remove those of any other paper from it.

    The same papers give the same bytes. Raises ``UnknownNameError``, ``WriteError`` when the disk refuses.
    """
    found = [record for word in words for record in read(word)]
    kept = {record.key for record in found}
    for old in records.load(place) if Path(place).is_dir() else []:
        if old.source == "paper" and old.key not in kept:
            records.path(place, old.cell).unlink()
    for record in found:
        records.write(record, place)
    return found
