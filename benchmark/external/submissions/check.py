"""Check a submission against its own records, the local data, the truth and other entries."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmark import records
from benchmark.external import entry as entries
from benchmark.external.cases import EntryCases
from benchmark.external.entry import ExternalEntry
from benchmark.external.run import score
from benchmark.external.submissions import archive, copies, manifest
from benchmark.external.submissions.manifest import Manifest
from benchmark.external.submissions.pack import RECORDS
from benchmark.suite.verify.differences import differences
from benchmark.training import provenance
from config import SubmissionConfig
from core.errors import BadValueError, DataError, LocusError, one_line

log = logging.getLogger(__name__)


def run(config: SubmissionConfig, report: Callable[[str], None]) -> int:
    """Score a submission again and ``report`` problems; return 1 if there are any, else 0.

    Raises ``LocusError`` for a file that cannot be read or scored, and if the local data differ from the scored data.
    """
    if not config.file:
        raise BadValueError("no submission given: write `check FILE`, where FILE was written by `pack`")
    with tempfile.TemporaryDirectory() as temporary:
        submitted, entry = _read(Path(config.file), Path(temporary), config)
        report(one_line(f"{entry.name} by {submitted.by} ({submitted.license}): {submitted.about}"))
        wrong = [*_records(entry, Path(temporary) / RECORDS), *_copies(config, entry, submitted)]
    for problem in wrong:
        report(one_line(problem))
    verdict = f"{len(wrong)} problems" if wrong else "all records match, and nothing is copied"
    report(f"{one_line(config.file)}: {verdict}")
    return 1 if wrong else 0


def _read(file: Path, folder: Path, config: SubmissionConfig) -> tuple[Manifest, ExternalEntry]:
    """Return the manifest of a submission and its entry on the local data; extract its files into ``folder``."""
    submitted = archive.unpack(file, folder)
    if not config.trust:
        manifest.refuse_python_files(submitted.flags, str(file))
    entry = entries.read(submitted.score_config(folder, config.data_root_dir))
    if provenance.fingerprint(entry.data) != submitted.fingerprint:
        raise DataError(f"{file} was scored on other images, labels or truth boxes than the local data")
    return submitted, entry


def _records(entry: ExternalEntry, folder: Path) -> Iterator[str]:
    """Yield a sentence for each record that differs, is missing or is unexpected."""
    records_by_key = {record.key: record for record in records.load(folder)}
    if not any(record.cell.recipe == entry.recipe for record in records_by_key.values()):
        yield "the records are of other files or other flags"
        return
    for measured, _ in score(entry, EntryCases(entry), [entry.name]):
        if (expected := records_by_key.pop(measured.key, None)) is None:
            yield f"{measured.cell.protocol}: the record is missing"
        elif wrong := differences(expected, measured):
            yield f"{measured.cell.protocol}: {len(wrong)} values differ; the first is {wrong[0]}"
    for record in records_by_key.values():
        yield f"{record.cell.protocol}: the record does not belong to the submitted files"


def _copies(config: SubmissionConfig, entry: ExternalEntry, submitted: Manifest) -> Iterator[str]:
    """Yield a sentence if the entry copies the truth, and one for each other entry that it copies."""
    if copies.is_copy(copies.truth(entry), entry):
        yield f"the entry copies the truth ({copies.MEANS})"
    folder = Path(config.beside) if config.beside else Path(config.file).parent
    for file in sorted(folder.glob("*.zip")):
        if file.resolve() == Path(config.file).resolve():
            continue
        with tempfile.TemporaryDirectory() as temporary:
            try:
                other_manifest, other = _read(file, Path(temporary), config)
            except LocusError as error:
                log.warning("not compared with %s: %s", file, error)
                continue
            if other_manifest.fingerprint == submitted.fingerprint and copies.is_copy(copies.excerpt(other), entry):
                yield f"the entry copies {other.name} in {file} ({copies.MEANS})"
