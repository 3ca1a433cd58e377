"""Files of PyTorch, read as data alone; of a file that would run code, what it would run."""

import itertools
import pickletools
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

PICKLE_BYTES = 2**24
"""So much of a file is searched for the functions that it names."""
DATA = ("torch.", "collections.", "_codecs.")
"""Where what weights are made of comes from."""


def load(path: Path | str, allowed: Iterable[Any] = ()) -> Any:
    """Return the content of a PyTorch file on the CPU; the only place that reads one.

    ``allowed``: classes that the file may name beside tensors. Raises what ``torch.load`` raises for a file that is
    broken, or that names anything else: nothing of it has run then.
    """
    with torch.serialization.safe_globals([*allowed]):
        return torch.load(path, map_location="cpu", weights_only=True)


def code_in(path: Path | str, error: BaseException) -> str | None:
    """Return the function that loading the file would run, ``posix.system``; None where it names none.

    ``error``: what ``load`` raised. The file is searched where that does not say.
    """
    stated = re.search(r"\bGLOBAL ([\w.]+)", str(error))
    if stated and not stated[1].startswith(DATA):
        return stated[1]
    return next((name for name in _globals(Path(path)) if not name.startswith(DATA)), stated and stated[1])


def _globals(path: Path) -> Iterator[str]:
    """The functions and classes that the pickle in a file names, as far as it can be read; nothing is unpickled."""
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
