"""One writer at a time: a lock on a folder that dies with its process, on one machine and over a shared folder.

The kernel's record lock (``fcntl``) belongs to one process: it is gone when that ends, however it ends, and neither
spawned nor forked processes inherit it. NFS version 4, Lustre mounted with ``flock``, GPFS and BeeGFS with locks pass
it on to the other machines. Some mounts keep it on one machine without saying so (``nolock``, ``localflock``) and some
refuse it: so the file also names its holder and shows signs of life, by which a holder on another machine is known.
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
"""How a file system without locks answers."""
BEAT, SILENT = 15.0, 60.0
"""Seconds between two signs of life, and after how many without one their process counts as dead."""


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """No other process, on any machine that sees ``folder``, is in such a block while this one is.

    Raises ``HeldError``, which says who is and since when, ``WriteError`` when the disk refuses. A holder that was
    killed on this machine holds nothing; one that was killed on another holds it for a minute at most.
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
    """The kernel's lock, unless somebody has it; then the signs of life of a holder that the kernel does not see."""
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
    """Whether its process is there; by number alone, which another may have been given since."""
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(PermissionError):
            os.kill(int(holder["pid"]), 0)
        return int(holder["pid"]) != os.getpid()
    return False


def _holder(file: BinaryIO) -> dict[str, str | int]:
    """Who wrote the file; nothing where the last one ended well, or has not written yet."""
    file.seek(0)
    with contextlib.suppress(json.JSONDecodeError):
        return dict(json.loads(file.read() or b"{}"))
    return {}


def _state(file: BinaryIO, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk keeps nobody from going on
        file.truncate(0)
        file.write(text.encode())


@contextlib.contextmanager
def beating(file: Path) -> Iterator[None]:
    """Set the time of ``file`` again and again while the block runs, by the clock of the server that keeps it.

    So that another machine sees that whoever holds it is alive.
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
    """Seconds since the last sign of life in ``file``, by the same server's clock; infinite where the file is gone."""
    with contextlib.suppress(FileNotFoundError), tempfile.NamedTemporaryFile(dir=file.parent, prefix=".now-") as now:
        return os.fstat(now.fileno()).st_mtime - file.stat().st_mtime
    return float("inf")


def _beat(file: Path, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):  # a folder that was removed or is out of reach for a moment
            os.utime(file)
