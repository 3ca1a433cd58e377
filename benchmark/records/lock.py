"""Lock a folder for one writer at a time.

The kernel releases the lock when its process ends, for whatever reason, so a lock file that is left over blocks nobody.
A record lock (``lockf``) is not inherited by forked children, and NFS passes it on to other machines.
"""

import contextlib
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from core.errors import HeldError, one_line
from core.files import writing

log = logging.getLogger(__name__)
NAME = ".lock"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Run the block as the only writer of ``folder``.

    Raises ``HeldError`` with the process that holds the lock, ``WriteError`` if the lock file cannot be written.
    """
    path = folder / NAME
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            holder = one_line(file.read(200).decode(errors="replace")) or "a new process"
            raise HeldError(f"another run is writing to {folder} ({holder}): wait until it ends, or stop it") from None
        except OSError as error:
            log.warning("%s cannot be locked (%s): make sure that only one run writes to it", folder, error.strerror)
        with contextlib.suppress(OSError):  # a full disk must not stop the run
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
