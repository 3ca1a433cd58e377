"""Classes and functions of user files (``path/to/file.py:Class``), which run only if typed or trusted."""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError
from locus.core.files import json_hash

ANYTHING = (Exception, SystemExit)
"""Errors that user code may raise: any class."""
PARTS = ("backbones", "benchmark", "core", "datasets", "methods")
"""Packages of Locus, which code imports as ``locus.methods`` …"""


def runs_code(word: object) -> bool:
    """Return True if a word names code in a Python file, ``path/to/file.py:Class``.

    >>> [runs_code(word) for word in ("net.py:build", "gradcam", None)]
    [True, False, False]
    """
    return isinstance(word, str) and ".py:" in word


def file_of(word: str) -> Path | None:
    """Return the Python file in a word ``path/to/file.py:build``; None for other words."""
    return Path(word.rpartition(":")[0]) if runs_code(word) else None


def refuse_code(words: Iterable[object], where: object) -> None:
    """Raise ``BadValueError`` for the first of the ``words`` of the file ``where`` that names code."""
    for word in filter(runs_code, words):
        raise BadValueError(f"{where} would run the code in {word}: use --trust if you trust this file")


def from_file(word: str, kind: str, what: Literal["class", "function or class"] = "class") -> Any:
    """Return the object of ``word``, written ``path/to/file.py:name``. Raises ``LocusError`` with path and reason.

    ``kind``: the noun for it in error messages. ``what``: the objects that are allowed.
    """
    fits: Callable[[object], bool] = inspect.isclass if what == "class" else callable
    path, _, name = word.rpartition(":")
    if not Path(path).is_file():
        raise DataError(f"file {path!r} of the {kind} {word!r} not found: use path/to/file.py:{what.split()[-1]}")
    try:
        module = module_of(Path(path))
    except ANYTHING as error:
        raise LocusError(f"the {kind} file {path!r} cannot be imported: {reason(error)}") from error
    if not fits(getattr(module, name, None)):
        declared = [n for n, o in vars(module).items() if fits(o) and getattr(o, "__module__", "") == module.__name__]
        raise UnknownNameError(f"{what} in {path}:", name, declared)
    return getattr(module, name)


def module_of(path: Path) -> ModuleType:
    """Run a Python file, which may import its neighbours, and return its module. Raises any error of the code."""
    label = f"outside_{path.stem}_{json_hash(str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(label, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{str(path)!r} is not a Python file")
    module = sys.modules[label] = importlib.util.module_from_spec(spec)  # so that its source can be read
    try:
        with _beside(path.resolve().parent):
            spec.loader.exec_module(module)
    except ANYTHING:
        del sys.modules[label]
        raise
    return module


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let code in the block import the modules in ``folder``, also if others of the same names are loaded.

    These others are back afterwards: the user's ``config.py`` hides no other package from code that runs later.
    """
    names = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    neighbours = names - {"locus"} - sys.stdlib_module_names
    others = {name: module for name, module in sys.modules.items() if _is_other(name, module, neighbours, folder)}
    for name in others:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()  # the folder may be new
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        hidden = {name.split(".")[0] for name in others}
        for name in [name for name in sys.modules if name.split(".")[0] in hidden]:
            del sys.modules[name]
        sys.modules.update(others)


def _is_other(name: str, module: ModuleType | None, neighbours: Set[str], folder: Path) -> bool:
    """Return True if a module has the name of one in ``folder`` but comes from elsewhere."""
    file = getattr(module, "__file__", None)
    return name.split(".")[0] in neighbours and (file is None or not Path(file).resolve().is_relative_to(folder))


def reason(error: BaseException) -> str:
    """Return the type and message of an error; for a failed import, only the message, which names the module."""
    if not isinstance(error, ImportError):
        return f"{type(error).__name__}: {error}"
    advice = f": write `from locus.{error.name} import …`" if (error.name or "").split(".")[0] in PARTS else ""
    return f"{error}{advice}"
