"""Limits of CPUs (affinity mask, container), image size and file size."""

import os
from pathlib import Path

from locus.core.errors import BadValueError, DataError

CONTROL_GROUPS = Path("/sys/fs/cgroup")
"""Folder with the limits of control groups (containers, cluster jobs)."""
OWN_CONTROL_GROUP = Path("/proc/self/cgroup")
"""File with the control group of this process."""
MAX_IMAGE_PIXELS = 60_000_000
"""Maximum number of pixels of an image (the largest chest radiographs have 20 million)."""
MAX_TEXT_BYTES = 2**27
"""Maximum size of a table or JSON file in bytes; reading it takes ten times as much memory."""
ALWAYS_ALLOWED_THREADS = 64
"""Number of threads or processes that is always allowed."""


def cpus(root: Path = CONTROL_GROUPS, membership: Path = OWN_CONTROL_GROUP) -> int:
    """Return the number of CPUs this process may use, from its affinity mask and its container's quota."""
    counts = [
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ]
    for group in groups(root, membership):
        quota, _, period = (read_limit(group / "cpu.max") or "").partition(" ")
        if period:
            counts.append(max(-(-int(quota) // int(period)), 1))
    return min(counts)


def check_count(count: int, flag: str) -> int:
    """Return the ``count`` of threads or processes given by ``flag``. Raises ``BadValueError`` if it is too large.

    >>> check_count(2, "--threads")
    2
    """
    most = max(ALWAYS_ALLOWED_THREADS, 4 * (os.cpu_count() or 1))
    if count > most:
        raise BadValueError(
            f"{flag} {count} is too large for {os.cpu_count()} CPUs: use {most} or less"
        )
    return count


def require_size(path: Path) -> Path:
    """Return the ``path`` of a text file.

    Raises ``DataError`` if it has more than ``MAX_TEXT_BYTES`` bytes or is not regular (a pipe would wait forever).
    """
    if path.exists() and not path.is_file():
        raise DataError(f"cannot read {path}: it is not a regular file")
    size = path.stat().st_size if path.is_file() else 0
    if size > MAX_TEXT_BYTES:
        raise DataError(
            f"{path} has {size:,} bytes; the limit for a table or JSON file is {MAX_TEXT_BYTES:,}"
        )
    return path


def groups(root: Path = CONTROL_GROUPS, membership: Path = OWN_CONTROL_GROUP) -> list[Path]:
    """Return the folders of this process's group and its parents; empty if the system has no cgroup v2."""
    lines = membership.read_text(encoding="utf-8").splitlines() if membership.is_file() else []
    names = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    groups_and_parents: list[Path] = []
    for name in names:
        group = root / name
        groups_and_parents += [group, *group.parents]
    return [folder for folder in groups_and_parents if folder.is_relative_to(root)]


def read_limit(path: Path) -> str | None:
    """Return the text of a limit file; None if the file is missing or says ``max`` (no limit)."""
    text = path.read_text(encoding="ascii").strip() if path.is_file() else "max"
    return None if text.startswith("max") else text
