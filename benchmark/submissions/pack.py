"""Makes one file of a scored entry: its maps or boxes, what is said of it, and its records."""

import tempfile
import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmark import records
from benchmark.external import entry as entries
from benchmark.external import flags
from benchmark.external.entry import ExternalEntry
from benchmark.external.run import read_sources
from benchmark.submissions import archive
from benchmark.submissions.manifest import Manifest
from benchmark.training import provenance
from config import PackConfig, ScoreConfig
from core.errors import BadValueError, DataError
from core.files import file_hash, stem
from core.names import PAIRED

KEPT = (
    "dataset", "img_size", "box_format", "alignment", "findings", "missing",
    "num_classes", "partition", "folds", "fold", "data_seed",
)  # fmt: skip
"""Flags of an entry that a submission states as they are."""
ASKED = {
    "run": "write `pack RUN`, the folder that benchmark.score wrote",
    "by": "who made the entry, and how you are reached",
    "license": "under which licence its maps or boxes are given, as CC-BY-4.0",
    "about": "what it is and how it was trained or made, in a sentence or two",
}
"""Flag that must be given -> what it asks for."""
RECORDS = "records"
"""The folder of the entry's records in the file; those of baselines and pairs follow from the data and the rows."""


def run(config: PackConfig, report: Callable[[str], None]) -> int:
    """Pack the entry that ``config.run`` holds and say where the file lies. Raises ``LocusError``."""
    for name, question in ASKED.items():
        if not getattr(config, name).strip():
            raise BadValueError(f"--{name} is missing: {question}")
    folder = Path(config.run)
    scored = flags.read(folder)
    entry = entries.read(scored)
    if entry.hashes != read_sources(folder):
        raise DataError(f"the files of {entry.name!r} are not those that were scored: run benchmark.score again")
    given, contents = _files(scored, entry)
    output = Path(config.output or f"{stem(entry.name.lower().replace(' ', '-'))}.zip")
    with tempfile.TemporaryDirectory() as temporary:
        contents |= _records(folder, Path(temporary))
        archive.write(output, _manifest(config, scored, entry, given, contents), contents)
    report(f"submission: {output} ({len(contents)} files, {output.stat().st_size:,} bytes)")
    return 0


def _files(scored: ScoreConfig, entry: ExternalEntry) -> tuple[dict[str, str], dict[str, Path]]:
    """Flag -> its file or folder within the submission, and name there -> file."""
    given: dict[str, str] = {}
    contents: dict[str, Path] = {}
    root = Path(scored.maps or "")
    if scored.maps and root.is_dir():
        given["maps"] = "maps"
        contents |= {f"maps/{name}": root / name for name in entry.hashes if (root / name).is_file()}
    for name in flags.FILES:
        word = getattr(scored, name)
        if word and Path(word).is_file():
            inside = Path(word).relative_to(root).as_posix() if root in Path(word).parents else ""
            given[name] = f"maps/{inside}" if inside else f"{name}/{Path(word).name}"
            contents[given[name]] = Path(word)
    return given, contents


def _records(folder: Path, temporary: Path) -> dict[str, Path]:
    """The records of the entry itself, packed in ``temporary``."""
    own_records = [r for r in records.load(folder) if r.source == "external" and r.cell.protocol != PAIRED]
    records.pack(temporary, own_records)
    return {f"{RECORDS}/{file.name}": file for file in sorted(temporary.glob("*.parquet"))}


def _manifest(
    config: PackConfig, scored: ScoreConfig, entry: ExternalEntry, given: dict[str, str], contents: dict[str, Path]
) -> Manifest:
    stated = {name: getattr(scored, name) for name in KEPT} | {"findings": list(scored.findings)}
    return Manifest(
        entry=entry.name,
        by=config.by,
        about=config.about,
        trained_on=entry.trained_on,
        license=config.license,
        locus=_version(),
        fingerprint=provenance.fingerprint(entry.data),
        flags={name: value for name, value in {**stated, **given}.items() if value not in (None, [])},
        files={name: file_hash(file) for name, file in sorted(contents.items())},
    )


def _version() -> str:
    """Of the checkout, or of the installed command."""
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    try:
        return str(tomllib.loads(project.read_text())["project"]["version"]) if project.is_file() else version("locus")
    except PackageNotFoundError:
        return "unknown"
