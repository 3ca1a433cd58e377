"""Signs of life in a shared folder: a file whose time moves on as long as a process lives."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

BEAT, SILENT = 15.0, 60.0
"""Seconds between two signs of life, and after how many without one their process counts as dead."""


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
