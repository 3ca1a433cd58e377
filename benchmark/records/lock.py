"""Lock a folder for one writer at a time, on one machine and on a shared file system.

The kernel's record lock (``fcntl``) belongs to one process. It is released when the process ends, for whatever reason,
and is not inherited by child processes. NFS version 4, Lustre mounted with ``flock``, GPFS and BeeGFS with locks pass
it on to other machines. Some mounts silently keep it on one machine (``nolock``, ``localflock``), others do not support
it. Therefore the lock file also names its holder, and its modification time shows other machines that the holder is
alive.
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
"""Errors of file systems without locks."""
HEARTBEAT_SECONDS, DEAD_AFTER_SECONDS = 15.0, 60.0
"""Seconds between two updates of the lock file, and seconds without one after which a process counts as dead."""


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Run the block as the only writer of ``folder`` on all machines.

    Raises ``HeldError`` with the holder and its start time, ``WriteError`` if the lock file cannot be written. A
    process killed on this machine releases the lock at once; one killed on another machine blocks for at most a minute.
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
            with heartbeat(path):
                yield
        finally:
            _state(file, "")


def _take(file: BinaryIO, path: Path) -> None:
    """Acquire the kernel's lock, then check whether a holder that the kernel does not know is alive."""
    kernel = True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        kernel = error.errno not in REFUSED
        if kernel:
            raise HeldError(_sentence(path, _holder(file))) from error
    holder = _holder(file)
    here = holder.get("host") == socket.gethostname()
    if holder and (not kernel and _runs(holder) if here else seconds_since_heartbeat(path) < DEAD_AFTER_SECONDS):
        raise HeldError(_sentence(path, holder))


def _sentence(path: Path, holder: dict[str, str | int]) -> str:
    who = "process {pid} of {user} on {host}, since {since}".format_map(holder) if holder else "a new process"
    return f"another run is writing to {path.parent} ({who}): wait until it ends, or stop it"


def _user() -> str:
    with contextlib.suppress(KeyError, OSError):  # a container may not have a user name
        return getpass.getuser()
    return f"user {os.getuid()}"


def _runs(holder: dict[str, str | int]) -> bool:
    """Return True if another process has the holder's id, which may have been reassigned."""
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(PermissionError):
            os.kill(int(holder["pid"]), 0)
        return int(holder["pid"]) != os.getpid()
    return False


def _holder(file: BinaryIO) -> dict[str, str | int]:
    """Return the holder in the file; empty if the last one ended normally or has not written yet."""
    file.seek(0)
    with contextlib.suppress(json.JSONDecodeError):
        return dict(json.loads(file.read() or b"{}"))
    return {}


def _state(file: BinaryIO, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not stop the run
        file.truncate(0)
        file.write(text.encode())


@contextlib.contextmanager
def heartbeat(file: Path) -> Iterator[None]:
    """Update the modification time of ``file`` regularly while the block runs, to show that the holder is alive."""
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(file, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def seconds_since_heartbeat(file: Path) -> float:
    """Return the seconds since ``file`` was modified, by the file server's clock; infinite for a missing file."""
    with contextlib.suppress(FileNotFoundError), tempfile.NamedTemporaryFile(dir=file.parent, prefix=".now-") as now:
        return os.fstat(now.fileno()).st_mtime - file.stat().st_mtime
    return float("inf")


def _beat(file: Path, over: threading.Event) -> None:
    while not over.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(OSError):  # the folder was removed or is briefly unreachable
            os.utime(file)
