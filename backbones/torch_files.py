"""Read PyTorch files as data, without running code, and find the code that an unsafe file contains."""

import itertools
import pickletools
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

PICKLE_BYTES = 2**24
"""Number of bytes of a file that are searched for function names."""
DATA = ("torch.", "collections.", "_codecs.")
"""Prefixes of the types in a file of weights."""


def load(path: Path | str, allowed: Iterable[Any] = ()) -> Any:
    """Return the content of a PyTorch file on the CPU. All code reads PyTorch files through this function.

    ``allowed``: classes that the file may contain in addition to tensors. Raises the errors of ``torch.load`` for a
    file that is broken or contains anything else, without running its code.
    """
    with torch.serialization.safe_globals([*allowed]):
        return torch.load(path, map_location="cpu", weights_only=True)


def code_in(path: Path | str, error: BaseException) -> str | None:
    """Return the function that loading the file would run, such as ``posix.system``, or None.

    ``error``: the exception of ``load``. If it does not name the function, the file is searched.
    """
    match_ = re.search(r"\bGLOBAL ([\w.]+)", str(error))
    if match_ and not match_[1].startswith(DATA):
        return match_[1]
    return next((name for name in _globals(Path(path)) if not name.startswith(DATA)), match_ and match_[1])


def _globals(path: Path) -> Iterator[str]:
    """Yield the functions and classes named in a file's pickle, as far as it can be parsed, without unpickling."""
    words: list[str] = []
    try:
        for code, value, _ in itertools.chain.from_iterable(map(pickletools.genops, _pickles(path))):
            if code.name == "GLOBAL":
                yield str(value).replace(" ", ".")
            elif code.name == "STACK_GLOBAL":
                yield ".".join(words[-2:])
            elif isinstance(value, str):
                words.append(value)
    except (ValueError, OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return


def _pickles(path: Path) -> Iterator[bytes]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file.read(PICKLE_BYTES)
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".pkl"):
                with archive.open(name) as member:
                    yield member.read(PICKLE_BYTES)
