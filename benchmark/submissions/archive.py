"""The one file of a submission: a zip, written the same each time, and read as a stranger's."""

import shutil
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from benchmark.external.arrays import reading
from benchmark.submissions import manifest as manifests
from benchmark.submissions.manifest import Manifest
from core import files
from core.errors import DataError, examples, is_shown

LARGEST = 2**32
"""Bytes that all files of a submission may have together, and ..."""
MOST = manifests.MOST_FILES + 1
"""... how many they may be, the manifest among them."""
LARGEST_MANIFEST = 2**26
"""Bytes of the manifest, which is read at once."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of all files in it: the same content gives the same bytes."""


def write(path: Path, manifest: Manifest, contents: Mapping[str, Path]) -> None:
    """Write ``manifest`` and the files that ``contents`` names (name -> file) atomically.

    The same contents give the same bytes: members are sorted and have no date. Raises ``WriteError`` when the disk
    refuses.
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
    """The manifest of a submission, whose files are then in ``folder``, each as its hash says.

    Raises ``DataError`` for a file that is no zip, too large, leads out of ``folder`` or is not what the manifest says.
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        members = _checked(archive, path)
        if manifests.NAME not in members:
            raise DataError(f"{path} has no {manifests.NAME}: pack it by `python -m benchmark.submit pack RUN`")
        if (length := members[manifests.NAME].file_size) > LARGEST_MANIFEST:
            raise DataError(f"{path} states {length:,} bytes of {manifests.NAME}: more than {LARGEST_MANIFEST:,}")
        manifest = manifests.parse(archive.read(manifests.NAME), str(path))
        _refuse_others(set(members) - {manifests.NAME}, set(manifest.files), path)
        for name in manifest.files:
            _extract(archive, members[name], folder / name)
    if changed := [name for name, known in manifest.files.items() if files.file_hash(folder / name) != known]:
        raise DataError(f"{path}: {len(changed)} files are not those of its manifest: {examples(changed)}")
    return manifest


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Name -> member, no byte of which has been unpacked yet."""
    members = archive.infolist()
    declared = sum(member.file_size for member in members)
    if declared > LARGEST or len(members) > MOST:
        raise DataError(
            f"{path} would unpack to {declared:,} bytes in {len(members):,} files: more than the {LARGEST:,} and "
            f"{MOST:,} that are read"
        )
    if wrong := [member.filename for member in members if not _is_inside(member.filename)]:
        what = "names that lead out of its folder or have other spellings"
        advice = "write maps/a.npy, not ./maps/a.npy or maps//a.npy"
        raise DataError(f"{path} holds {what}: {examples(map(repr, wrong))}; {advice}")
    names = {unicodedata.normalize("NFC", member.filename).casefold() for member in members}
    if len(names) < len(members):
        raise DataError(f"{path} holds {len(members) - len(names)} names twice: each file is given once")
    return {member.filename: member for member in members}


def _is_inside(name: str) -> bool:
    """Whether a name stays in the folder that it is unpacked to, and is the only spelling of its path.

    >>> [_is_inside(name) for name in ("maps/a.npy", "/a", "../a", "maps/../../a", "C:/a", "./a", "maps//a", "maps/")]
    [True, False, False, False, False, False, False, False]
    """
    path = PurePosixPath(name)
    is_plain = is_shown(name) and str(path) == name and not {":", "\\"} & set(name)
    return is_plain and bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _refuse_others(members: set[str], stated: set[str], path: Path) -> None:
    if members != stated:
        absent, extra = sorted(stated - members), sorted(members - stated)
        what = f"lacks {examples(absent)}" if absent else f"holds {examples(extra)}, which its manifest does not name"
        raise DataError(f"{path} {what}: pack it again")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path) -> None:
    """The member as a plain file, whatever kind it says it is; no more bytes than it declares are read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, file.open("wb") as target:
        shutil.copyfileobj(source, target)
