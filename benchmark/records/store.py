"""Load all records of a suite and pack the unpacked ones."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.records import cases, files, packed
from benchmark.records.files import stem, unpacked
from benchmark.records.record import Record
from core.errors import DataError
from core.files import writing


def load(folder: Path | str) -> list[Record]:
    """Load all records of a suite's results ``folder``, packed or not, in the order of their file names.

    An unpacked record replaces the packed one of its cell. Raises ``DataError`` for a missing folder and for a broken
    file.

    >>> len(load("results/shortcut"))
    80
    """
    return _all(Path(folder), None)


def load_metric(folder: Path | str, metric: str) -> list[Record]:
    """Load all records with only the scores of one ``metric`` and no strata, which is much faster."""
    records = _all(Path(folder), metric)
    return [r.model_copy(update={"strata": (), "scores": tuple(r.select(metric))}) for r in records]


def _all(folder: Path, metric: str | None) -> list[Record]:
    unpacked_files = unpacked(folder)
    if not folder.is_dir() and not unpacked_files:
        raise DataError(f"{folder} has no records: run `python -m benchmark.run` first or give another folder")
    records = packed.read(folder, metric) | {file.stem: files.read(file) for file in unpacked_files}
    return [record for _, record in sorted(records.items())]


def pack(folder: Path | str, records: Sequence[Record] | None = None) -> None:
    """Pack ``records`` (None: all) in ``folder``, with the rows per case of the main protocol.

    Seeds other than the lowest keep only the columns of ``cases.brief``. JSON files and unpacked rows are removed after
    everything is written: if the process is killed, nothing is lost and the next call resumes. The same records give
    the same files. Raises ``DataError`` and ``WriteError``.
    """
    folder = Path(folder)
    to_pack = load(folder) if records is None else list(records)
    unpacked_files = unpacked(folder)
    cases.pack({record.key: record.cell.seed for record in to_pack}, folder)  # first: rows before records
    packed.write(to_pack, folder)
    for file in unpacked_files:
        with writing(file):
            file.unlink(missing_ok=True)


def suites(results: Path | str) -> list[Path]:
    """Return the folders below ``results`` that contain records, sorted."""
    folders = (folder for folder in Path(results).glob("*") if folder.is_dir())
    return sorted(folder for folder in folders if (folder / packed.CELLS_FILE).is_file() or unpacked(folder))


def ordered(records: Sequence[Record]) -> list[Record]:
    """Sort records by their file names, as ``load`` does."""
    return sorted(records, key=lambda record: stem(record.cell))
