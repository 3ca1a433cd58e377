"""Pack a scored entry into one file: maps or boxes, metadata and records."""

import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

from benchmark import records
from benchmark.external import entry as entries
from benchmark.external.entry import ExternalEntry
from benchmark.external.run import read_sources
from benchmark.external.submissions import archive
from benchmark.external.submissions.manifest import Manifest
from benchmark.training import provenance
from config import PackConfig, ScoreConfig
from core.cli import CONFIGS
from core.errors import BadValueError, DataError
from core.files import file_hash, safe_filename
from core.names import PAIRED

FLAGS = (
    "dataset", "img_size", "box_format", "alignment", "findings", "missing",
    "num_classes", "partition", "folds", "fold", "data_seed",
)  # fmt: skip
"""Flags of an entry that are copied to the submission."""
REQUIRED = {
    "run": "write `pack RUN`, where RUN is a folder written by benchmark.score",
    "by": "write the authors and a contact address",
    "license": "write the licence of the maps or boxes, such as CC-BY-4.0",
    "about": "describe the entry and how it was trained or made, in one or two sentences",
}
"""Required flag -> what to write."""
RECORDS = "records"
"""Folder of the entry's records in the submission, without baselines and paired records."""


def run(config: PackConfig, report: Callable[[str], None]) -> int:
    """Pack the entry in ``config.run`` and report the path of the file. Raises ``LocusError``."""
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
        contents |= _records(folder, Path(temporary))
        archive.write(output, _manifest(config, scored, entry, file_flags, contents), contents)
    report(f"submission: {output} ({len(contents)} files, {output.stat().st_size:,} bytes)")
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


def _records(folder: Path, temporary: Path) -> dict[str, Path]:
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
