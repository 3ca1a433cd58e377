"""What the system leaves to this process (CPUs of its mask, its container's limits), and how large an image may be."""

import os
from pathlib import Path

from core.errors import BadValueError, DataError

GROUPS = Path("/sys/fs/cgroup")
"""Where the system keeps the limits of groups of processes (containers, jobs of a cluster)."""
OWN_GROUP = Path("/proc/self/cgroup")
"""Which of them this process belongs to."""
LARGEST = 60_000_000
"""Pixels of an image; a header that claims more is taken for broken (the largest chest radiographs have 20 million)."""
LARGEST_TEXT = 2**27
"""Bytes of a table or of JSON, which take ten times as much memory when they are read."""
MOST = 64
"""Threads or processes that every machine bears."""


def cpus(root: Path = GROUPS, membership: Path = OWN_GROUP) -> int:
    """How many CPUs this process may use: those of its affinity mask, or what its container's quota amounts to."""
    counts = [len(os.sched_getaffinity(0))]
    for group in groups(root, membership):
        quota, _, period = (read_limit(group / "cpu.max") or "").partition(" ")
        if period:
            counts.append(max(-(-int(quota) // int(period)), 1))
    return min(counts)


def check_count(count: int, flag: str) -> int:
    """The ``count`` of threads or processes that ``flag`` asks for. Raises ``BadValueError`` for too many.

    >>> check_count(2, "--threads")
    2
    """
    most = max(MOST, 4 * (os.cpu_count() or 1))
    if count > most:
        raise BadValueError(f"{flag} {count} is too large for {os.cpu_count()} CPUs: write {most} or less")
    return count


def require_size(path: Path) -> Path:
    """The ``path`` of a text file. Raises ``DataError`` for one of more than ``LARGEST_TEXT`` bytes, unread."""
    if path.is_file() and (size := path.stat().st_size) > LARGEST_TEXT:
        raise DataError(f"{path} has {size:,} bytes: more than the {LARGEST_TEXT:,} that are read of a table or JSON")
    return path


def groups(root: Path = GROUPS, membership: Path = OWN_GROUP) -> list[Path]:
    """The folders of this process's group and of those around it; none where the system has no cgroup v2."""
    lines = membership.read_text(encoding="utf-8").splitlines() if membership.is_file() else []
    names = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    return [folder for name in names for folder in (root / name, *(root / name).parents) if folder.is_relative_to(root)]


def read_limit(path: Path) -> str | None:
    """A limit as a group states it; None where there is none.

    The text of the file: ``max`` is none.
    """
    text = path.read_text(encoding="ascii").strip() if path.is_file() else "max"
    return None if text.startswith("max") else text
