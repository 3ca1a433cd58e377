"""The zip file of a submission: written reproducibly, and read as untrusted input."""

import shutil
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from benchmark.external.arrays import reading
from benchmark.external.submissions import manifest as manifests
from benchmark.external.submissions.manifest import Manifest
from core import files
from core.errors import DataError, examples, is_shown

LARGEST = 2**32
"""Maximum total size of the files of a submission, in bytes."""
MOST = manifests.MOST_FILES + 1
"""Maximum number of files, manifest included."""
LARGEST_MANIFEST = 2**26
"""Maximum size of the manifest, which is read at once, in bytes."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time stamp of all files: the same content gives the same bytes."""


def write(path: Path, manifest: Manifest, contents: Mapping[str, Path]) -> None:
    """Write ``manifest`` and the files of ``contents`` (name -> file), atomically.

    The same contents give the same bytes: members are sorted and have a fixed date. Raises ``WriteError`` if the file
    cannot be written.
    """
    with files.atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(manifests.NAME), files.pretty(manifest.model_dump()) + "\n")
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
        if manifests.NAME not in members:
            raise DataError(f"{path} has no {manifests.NAME}: pack it with `python -m benchmark.submit pack RUN`")
        if (length := members[manifests.NAME].file_size) > LARGEST_MANIFEST:
            raise DataError(
                f"{manifests.NAME} in {path} has {length:,} bytes: at most {LARGEST_MANIFEST:,} are allowed"
            )
        manifest = manifests.parse(archive.read(manifests.NAME), str(path))
        _refuse_others(set(members) - {manifests.NAME}, set(manifest.files), path)
        for name in manifest.files:
            _extract(archive, members[name], folder / name)
    if changed := [name for name, digest in manifest.files.items() if files.file_hash(folder / name) != digest]:
        raise DataError(f"{len(changed)} files in {path} differ from its manifest: {examples(changed)}")
    return manifest


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return name -> member after checking sizes and names; nothing is extracted."""
    members = archive.infolist()
    declared = sum(member.file_size for member in members)
    if declared > LARGEST or len(members) > MOST:
        raise DataError(
            f"{path} would unpack to {declared:,} bytes in {len(members):,} files: at most {LARGEST:,} bytes and "
            f"{MOST:,} files are allowed"
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
