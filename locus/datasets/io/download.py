"""Download a data set with Kaggle's client into an empty folder."""

import logging
import shutil
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from locus.core.errors import BadValueError, DataError, NotAvailableError
from locus.core.files import writing
from locus.core.names import normalize_data_set
from locus.datasets import REGISTRY, root_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kaggle:
    """Archive on Kaggle, for the command ``kaggle <kind> download <name>``."""

    kind: Literal["datasets", "competitions"]
    name: str
    """Name in the address of its page."""

    def __str__(self) -> str:
        return f"`kaggle {self.kind} download {self.name}` (or --download True)"

    @property
    def archive(self) -> str:
        """File name of the archive."""
        return f"{self.name.rpartition('/')[2]}.zip"


def fetch(dataset: str, root: Path | str | None) -> None:
    """Download the files of the data set ``dataset`` to the folder ``root``, unless it already has files.

    ``root``: see :func:`locus.datasets.root_of`. The archive is downloaded and unpacked in a folder next to ``root``,
    which is then renamed to ``root``. A partial archive of a killed download is kept for the next call. Raises
    ``NotAvailableError`` if the data set is not on Kaggle or its client or key is missing, ``DataError`` for a broken
    archive, ``WriteError`` if files cannot be written.
    """
    origin = REGISTRY.get(normalize_data_set(dataset)).origin
    if not isinstance(origin, Kaggle):
        raise NotAvailableError(
            f"--download works only for data sets on Kaggle, not for {dataset!r}: {origin}"
        )
    root = root_of(dataset, root)
    target = root.resolve()
    if target.exists() and not target.is_dir():
        raise BadValueError(
            f"--data_root_dir {root} is not a folder: give a new or an empty folder"
        )
    if target.is_dir() and any(target.iterdir()):
        log.info("%s already has files; skipping the download", root)
        return
    program = _program()
    temporary = target.parent / f".{target.name}.download"
    with writing(temporary):
        temporary.mkdir(parents=True, exist_ok=True)
        _run(program, origin, temporary)
        _unpack(temporary / origin.archive, temporary / "unpacked")
        (temporary / "unpacked").replace(target)
        shutil.rmtree(temporary)
    log.info("%s is in %s", dataset, root)


def _program() -> str:
    program = shutil.which("kaggle") or shutil.which(
        "kaggle", path=str(Path(sys.executable).parent)
    )
    if program is None:
        raise NotAvailableError("Kaggle's client is not installed: pip install kaggle")
    return program


def _run(program: str, origin: Kaggle, folder: Path) -> None:
    """Download the archive to ``folder``. The client prints to the terminal."""
    arguments = [origin.kind, "download", origin.name]
    status = subprocess.run(
        [program, *arguments, "-p", str(folder)], stdin=subprocess.DEVNULL, check=False
    ).returncode
    if status or not (folder / origin.archive).is_file():
        page = f"https://www.kaggle.com/{origin.kind}/{origin.name}"
        rules = (
            f", and its account must accept the rules at {page}/rules"
            if origin.kind == "competitions"
            else ""
        )
        raise NotAvailableError(
            f"`kaggle {' '.join(arguments)}` did not download {origin.archive} (status {status}, see above): it "
            "requires a key from https://www.kaggle.com/settings/api in ~/.kaggle/access_token, "
            "~/.kaggle/kaggle.json or "
            f"KAGGLE_API_TOKEN{rules}; see {page}"
        )


def _unpack(archive: Path, folder: Path) -> None:
    """Extract ``archive`` to ``folder``; remove it if it is broken."""
    shutil.rmtree(folder, ignore_errors=True)  # left by a run that was killed while unpacking
    log.info("unpacking %s", archive)
    try:
        with zipfile.ZipFile(archive) as content:
            content.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        archive.unlink(missing_ok=True)
        raise DataError(
            f"the archive {archive.name} is broken ({error}) and was removed: try again"
        ) from error
