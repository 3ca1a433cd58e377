"""Pack a scored entry into one file, and check such a file against its own records, local data and other entries."""

import logging
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from benchmark import records
from benchmark.external import entry as entries
from benchmark.external.cases import EntryCases
from benchmark.external.entry import ExternalEntry
from benchmark.external.run import read_sources, score
from benchmark.external.submissions import archive, copies
from benchmark.external.submissions.archive import Manifest
from benchmark.report.sentences import counted
from benchmark.suite.verify.differences import differences
from benchmark.training import provenance
from config import PackConfig, ScoreConfig, SubmissionConfig
from core.cli import CONFIGS
from core.errors import BadValueError, DataError, LocusError, one_line
from core.files import file_hash, safe_filename
from core.names import PAIRED
from core.types import Echo

log = logging.getLogger(__name__)
FLAGS = (
    "dataset", "img_size", "box_format", "alignment", "findings", "missing",
    "num_classes", "partition", "folds", "fold", "data_seed",
)  # fmt: skip
"""Flags of an entry that are copied to the submission."""
REQUIRED = {
    "run": "use `pack RUN`, where RUN is a folder written by benchmark.score",
    "by": "give the authors and a contact address",
    "license": "give the licence of the maps or boxes, such as CC-BY-4.0",
    "about": "describe the entry and how it was trained or made, in one or two sentences",
}
"""Required flag -> what it requires."""
RECORDS = "records"
"""Folder of the entry's records in the submission, without baselines and paired records."""


def pack(config: PackConfig, echo: Echo) -> int:
    """Pack the entry in ``config.run`` and ``echo`` the path of the file. Raises ``LocusError``."""
    for name, advice in REQUIRED.items():
        if not getattr(config, name).strip():
            raise BadValueError(f"--{name} is required: {advice}")
    folder = Path(config.run)
    scored = entries.read_flags(folder)
    entry = entries.read(scored)
    if entry.hashes != read_sources(folder):
        raise DataError(f"the files of {entry.name!r} have changed since they were scored: run benchmark.score again")
    file_flags, contents = _files(scored, entry)
    output = Path(config.output or f"{safe_filename(entry.name.lower().replace(' ', '-'))}.zip")
    with tempfile.TemporaryDirectory() as temporary:
        contents |= _packed_records(folder, Path(temporary))
        archive.write(output, _manifest(config, scored, entry, file_flags, contents), contents)
    echo(f"submission: {output} ({len(contents)} files, {output.stat().st_size:,} bytes)")
    return 0


def _files(scored: ScoreConfig, entry: ExternalEntry) -> tuple[dict[str, str], dict[str, Path]]:
    """Return flag -> its file or folder in the submission, and name in the submission -> file."""
    file_flags: dict[str, str] = {}
    contents: dict[str, Path] = {}
    root = Path(scored.maps or "")
    if scored.maps and root.is_dir():
        file_flags["maps"] = "maps"
        contents |= {f"maps/{name}": root / name for name in entry.hashes if (root / name).is_file()}
    for name in entries.FILE_FLAGS:
        word = getattr(scored, name)
        if word and Path(word).is_file():
            inside = Path(word).relative_to(root).as_posix() if root in Path(word).parents else ""
            file_flags[name] = f"maps/{inside}" if inside else f"{name}/{Path(word).name}"
            contents[file_flags[name]] = Path(word)
    return file_flags, contents


def _packed_records(folder: Path, temporary: Path) -> dict[str, Path]:
    """Pack the records of the entry in ``temporary``; return name in the submission -> file."""
    own_records = [r for r in records.load(folder) if r.source == "external" and r.cell.protocol != PAIRED]
    records.pack(temporary, own_records)
    return {f"{RECORDS}/{file.name}": file for file in sorted(temporary.glob("*.parquet"))}


def _manifest(
    config: PackConfig, scored: ScoreConfig, entry: ExternalEntry, file_flags: dict[str, str], contents: dict[str, Path]
) -> Manifest:
    project = tomllib.loads((CONFIGS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    flag_values = {name: getattr(scored, name) for name in FLAGS} | {"findings": list(scored.findings)}
    return Manifest(
        entry=entry.name,
        by=config.by,
        about=config.about,
        trained_on=entry.trained_on,
        license=config.license,
        locus=project["version"],
        fingerprint=provenance.fingerprint(entry.data),
        flags={name: value for name, value in {**flag_values, **file_flags}.items() if value not in (None, [])},
        files={name: file_hash(file) for name, file in sorted(contents.items())},
    )


def check(config: SubmissionConfig, echo: Echo) -> int:
    """Score a submission again and ``echo`` problems; return 1 if there are any, else 0.

    Raises ``LocusError`` for a file that cannot be read or scored, and if the local data differ from the scored data.
    """
    if not config.file:
        raise BadValueError("no submission given: use `check FILE`, where FILE was written by `pack`")
    with tempfile.TemporaryDirectory() as temporary:
        submitted, entry = _read(Path(config.file), Path(temporary), config)
        echo(one_line(f"{entry.name} by {submitted.by} ({submitted.license}): {submitted.about}"))
        wrong = [*_wrong_records(entry, Path(temporary) / RECORDS), *_copies(config, entry, submitted)]
    for problem in wrong:
        echo(one_line(problem))
    fine = "all records match, and no copy of the truth or of another entry was found"
    verdict = counted(len(wrong), "problem") if wrong else fine
    echo(f"{one_line(config.file)}: {verdict}")
    return 1 if wrong else 0


def _read(file: Path, folder: Path, config: SubmissionConfig) -> tuple[Manifest, ExternalEntry]:
    """Return the manifest of a submission and its entry on the local data; extract its files into ``folder``."""
    submitted = archive.unpack(file, folder)
    if not config.trust:
        archive.refuse_python_files(submitted.flags, str(file))
    entry = entries.read(submitted.score_config(folder, config.data_root_dir))
    if provenance.fingerprint(entry.data) != submitted.fingerprint:
        what = "images, labels or truth boxes that differ from the local data"
        raise DataError(f"{file} was scored on {what}: check --data_root_dir")
    return submitted, entry


def _wrong_records(entry: ExternalEntry, folder: Path) -> Iterator[str]:
    """Yield a sentence for each record that differs, is missing or is unexpected."""
    records_by_key = {record.key: record for record in records.load(folder)}
    if not any(record.cell.recipe == entry.recipe for record in records_by_key.values()):
        yield "the records were made from other files or flags than those submitted"
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
