"""Lock a folder for one writer at a time: on one machine and over a shared folder; the lock ends with its process.

The kernel's record lock (``fcntl``) belongs to one process: it is released when the process ends, however it ends, and
neither spawned nor forked processes inherit it. NFS version 4, Lustre mounted with ``flock``, GPFS and BeeGFS with
locks pass it on to the other machines. Some mounts silently keep it on one machine (``nolock``, ``localflock``) and
some refuse it. The file therefore also names its holder, and its modification time shows other machines that the
holder is alive.
"""

import contextlib
import datetime
import errno
import fcntl
import getpass
import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from core.errors import HeldError
from core.files import writing

NAME = ".lock"
REFUSED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""Errors of a file system without locks."""
BEAT, SILENT = 15.0, 60.0
"""Seconds between two signs of life, and seconds of silence after which a process counts as dead."""


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Run the block only while no other process, on any machine that sees ``folder``, runs such a block.

    Raises ``HeldError`` with the holder and its start time, ``WriteError`` when the disk refuses. A process killed on
    this machine releases the lock at once; one killed on another machine blocks for a minute at most.
    """
    path = folder / NAME
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        _take(file, path)
        now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        _state(file, json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "user": _user(), "since": now}))
        try:
            with beating(path):
                yield
        finally:
            _state(file, "")


def _take(file: BinaryIO, path: Path) -> None:
    """Take the kernel's lock unless it is taken; then check the signs of life of a holder unknown to the kernel."""
    kernel = True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        kernel = error.errno not in REFUSED
        if kernel:
            raise HeldError(_sentence(path, _holder(file))) from error
    holder = _holder(file)
    here = holder.get("host") == socket.gethostname()
    if holder and (not kernel and _runs(holder) if here else silence(path) < SILENT):
        raise HeldError(_sentence(path, holder))


def _sentence(path: Path, holder: dict[str, str | int]) -> str:
    who = "process {pid} of {user} on {host}, since {since}".format_map(holder) if holder else "a process just begun"
    return f"another run writes to {path.parent} ({who}): wait for its end, or stop it"


def _user() -> str:
    with contextlib.suppress(KeyError, OSError):  # a container may know no name
        return getpass.getuser()
    return f"user {os.getuid()}"


def _runs(holder: dict[str, str | int]) -> bool:
    """Return whether the holder's process exists. Checks the number alone, which may have been reassigned since."""
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(PermissionError):
            os.kill(int(holder["pid"]), 0)
        return int(holder["pid"]) != os.getpid()
    return False


def _holder(file: BinaryIO) -> dict[str, str | int]:
    """Return the process that wrote the file; empty if the last one ended normally or has not written yet."""
    file.seek(0)
    with contextlib.suppress(json.JSONDecodeError):
        return dict(json.loads(file.read() or b"{}"))
    return {}


def _state(file: BinaryIO, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not stop the run
        file.truncate(0)
        file.write(text.encode())


@contextlib.contextmanager
def beating(file: Path) -> Iterator[None]:
    """Update the time of ``file`` regularly while the block runs, by the clock of the file server.

    Another machine can then see that the holder is alive.
    """
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(file, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def silence(file: Path) -> float:
    """Return the seconds since the last sign of life in ``file``, by the server clock; infinite for a missing file."""
    with contextlib.suppress(FileNotFoundError), tempfile.NamedTemporaryFile(dir=file.parent, prefix=".now-") as now:
        return os.fstat(now.fileno()).st_mtime - file.stat().st_mtime
    return float("inf")


def _beat(file: Path, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):  # the folder was removed or is briefly unreachable
            os.utime(file)
