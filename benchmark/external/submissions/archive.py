"""The zip file of a submission with its manifest: written reproducibly, and read as untrusted input."""

import json
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchmark.external.arrays import reading
from benchmark.external.entry import FILE_FLAGS
from config import ScoreConfig
from core import cli, files
from core.errors import BadValueError, DataError, examples, first_problem, is_shown

NAME = "submission.json"
CODE = re.compile(r"\.py\b")
"""Matches a value that names a Python file."""
MOST_FILES = 200_000
"""Maximum number of files in a submission, besides the manifest."""
FLAGS_BYTES = 100_000
"""Maximum size of the flags as JSON, in bytes."""
Text = Annotated[str, Field(max_length=10_000)]
LARGEST = 2**32
"""Maximum total size of the files of a submission, in bytes."""
LARGEST_MANIFEST = 2**26
"""Maximum size of the manifest, which is read at once, in bytes."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time stamp of all files: the same content gives the same bytes."""


class Manifest(BaseModel):
    """Content of ``submission.json``: author, description, training data, licence, and the flags that score the files.

    Raises ``ValidationError`` for a missing or unexpected field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    entry: Text
    by: Text
    """The author and how to reach them."""
    about: Text
    """Description of the entry, and how it was trained or made."""
    trained_on: Text
    license: Text
    """Licence of the maps or boxes."""
    locus: Text
    """Version of Locus that scored the entry."""
    fingerprint: Text
    """Hash of the data's images, labels and truth boxes: see ``benchmark.training.provenance.fingerprint``."""
    flags: dict[str, Any]
    """Flags of ``python -m benchmark.score``; paths are relative to the submission."""
    files: Annotated[dict[str, str], Field(max_length=MOST_FILES)]
    """File in the submission -> first 16 hex digits of the SHA-256 of its bytes."""

    @field_validator("flags")
    @classmethod
    def _are_few(cls, flags: dict[str, Any]) -> dict[str, Any]:
        if (length := len(json.dumps(flags))) > FLAGS_BYTES:
            raise ValueError(f"the flags have {length:,} bytes: at most {FLAGS_BYTES:,} are allowed")
        return flags

    def score_config(self, folder: Path, data_root_dir: str | None) -> ScoreConfig:
        """Return the flags that score the files in ``folder``. Raises ``LocusError`` for an invalid flag or path."""
        values = {**self.flags, "entry": self.entry, "trained_on": self.trained_on, "data_root_dir": data_root_dir}
        for name in FILE_FLAGS:
            word = values.get(name)
            if word is not None and not (name == "alignment" and word in ("conventional", "pixels")):
                if not any(file == word or file.startswith(f"{word}/") for file in self.files):
                    raise DataError(f"the submission has --{name} {word!r}, which is not among its files")
                values[name] = str(folder / word)
        return cli.build(ScoreConfig, values)


def _parse(text: bytes, where: str) -> Manifest:
    """Parse a manifest. Raises ``DataError`` naming the first invalid field.

    >>> _parse(b"{}", "entry.zip")
    Traceback (most recent call last):
        ...
    core.errors.DataError: submission.json in entry.zip is invalid: entry: field required
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        field, message = first_problem(error)
        raise DataError(f"{NAME} in {where} is invalid: {field or 'its JSON'}: {message.lower()}") from error


def refuse_python_files(flags: Mapping[str, Any], where: str) -> None:
    """Raise ``BadValueError`` if a flag names a Python file, because scoring would execute it.

    >>> refuse_python_files({"dataset": "phantom"}, "entry.zip")
    """
    for name, value in flags.items():
        if CODE.search(str(value)):
            raise BadValueError(f"--{name} {value} in {where} would run the sender's code: use --trust to allow it")


def write(path: Path, manifest: Manifest, contents: Mapping[str, Path]) -> None:
    """Write ``manifest`` and the files of ``contents`` (name -> file), atomically.

    The same contents give the same bytes: members are sorted and have a fixed date. Raises ``WriteError`` if the file
    cannot be written.
    """
    with files.atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(NAME), files.pretty(manifest.model_dump()) + "\n")
        for name, file in sorted(contents.items()):
            archive.writestr(_member(name), file.read_bytes())


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def unpack(path: Path, folder: Path) -> Manifest:
    """Extract the files of a submission into ``folder``, check their hashes and return the manifest.

    Raises ``DataError`` for a file that is not a zip, is too large, has paths outside ``folder`` or does not match its
    manifest.
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        members = _checked(archive, path)
        if NAME not in members:
            raise DataError(f"{path} has no {NAME}: pack it with `python -m benchmark.submit pack RUN`")
        if (length := members[NAME].file_size) > LARGEST_MANIFEST:
            raise DataError(f"{NAME} in {path} has {length:,} bytes: at most {LARGEST_MANIFEST:,} are allowed")
        manifest = _parse(archive.read(NAME), str(path))
        _refuse_others(set(members) - {NAME}, set(manifest.files), path)
        for name in manifest.files:
            _extract(archive, members[name], folder / name)
    if changed := [name for name, digest in manifest.files.items() if files.file_hash(folder / name) != digest]:
        raise DataError(f"{len(changed)} files in {path} differ from its manifest: {examples(changed)}; pack it again")
    return manifest


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return name -> member after checking sizes and names; nothing is extracted."""
    members = archive.infolist()
    declared = sum(member.file_size for member in members)
    if declared > LARGEST or len(members) > MOST_FILES + 1:
        raise DataError(
            f"{path} would unpack to {declared:,} bytes in {len(members):,} files: at most {LARGEST:,} bytes and "
            f"{MOST_FILES + 1:,} files are allowed"
        )
    if wrong := [member.filename for member in members if not _is_inside(member.filename)]:
        advice = "write maps/a.npy, not ../a.npy, ./maps/a.npy or maps//a.npy"
        raise DataError(f"{path} contains {len(wrong)} invalid file names: {examples(map(repr, wrong))}; {advice}")
    names = {unicodedata.normalize("NFC", member.filename).casefold() for member in members}
    if len(names) < len(members):
        raise DataError(f"{path} contains duplicate file names ({len(members) - len(names)}): pack each file once")
    return {member.filename: member for member in members}


def _is_inside(name: str) -> bool:
    """Return True if a name stays in the folder where it is extracted, and is the only spelling of its path.

    >>> [_is_inside(name) for name in ("maps/a.npy", "/a", "../a", "maps/../../a", "C:/a", "./a", "maps//a", "maps/")]
    [True, False, False, False, False, False, False, False]
    """
    path = PurePosixPath(name)
    is_plain = is_shown(name) and str(path) == name and not {":", "\\"} & set(name)
    return is_plain and bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _refuse_others(members: set[str], listed: set[str], path: Path) -> None:
    if members != listed:
        absent, extra = sorted(listed - members), sorted(members - listed)
        what = (
            f"lacks {examples(absent)}" if absent else f"contains {examples(extra)}, which its manifest does not list"
        )
        raise DataError(f"{path} {what}: pack it again")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path) -> None:
    """Extract a member as a plain file, whatever its type."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, file.open("wb") as target:
        shutil.copyfileobj(source, target)
