"""Classes and functions of user files (``path/to/file.py:Class``), and hashes of code.

Code in a user's file runs only if its word is typed or trusted. It may import the modules beside it, whatever their
names are. ``code_hash`` is the hash of Python files: changed code has another hash, changed comments, docstrings and
layout have not. ``local_files`` are the files that belong to it: a file and the local modules that it imports.
"""

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError
from locus.core.files import json_hash

ANYTHING = (Exception, SystemExit)
"""Errors that user code may raise: any class."""
HOME = Path(__file__).resolve().parents[1]
"""The package."""
OMITTED = ("ctx", "kind", "type_comment")
"""Fields of syntax trees that do not change what the code does."""
PARTS = ("backbones", "benchmark", "config", "core", "datasets", "methods")
"""Parts of Locus, which code imports as ``locus.methods`` …"""


def runs_code(spec: object) -> bool:
    """Return True if ``spec`` names code in a Python file, ``path/to/file.py:Class``.

    >>> [runs_code(word) for word in ("net.py:build", "gradcam", None)]
    [True, False, False]
    """
    return isinstance(spec, str) and ".py:" in spec


def file_of(spec: str) -> Path | None:
    """Return the Python file in a text such as ``path/to/file.py:build``; None for other texts."""
    return Path(spec.rpartition(":")[0]) if runs_code(spec) else None


def refuse_code(specs: Iterable[object], where: object) -> None:
    """Raise ``BadValueError`` for the first of the ``specs`` of the file ``where`` that names code."""
    for spec in filter(runs_code, specs):
        raise BadValueError(
            f"{where} would run the code in {spec}: use --trust if you trust this file"
        )


def from_file(spec: str, kind: str, what: Literal["class", "function or class"] = "class") -> Any:
    """Return the object of ``spec``, written ``path/to/file.py:name``. Raises ``LocusError`` with path and reason.

    ``kind``: the noun for it in error messages. ``what``: the objects that are allowed.
    """
    is_allowed: Callable[[object], bool] = inspect.isclass if what == "class" else callable
    path, _, name = spec.rpartition(":")
    if not Path(path).is_file():
        raise DataError(
            f"file {path!r} of the {kind} {spec!r} not found: use path/to/file.py:{what.split()[-1]}"
        )
    try:
        module = module_of(Path(path))
    except ANYTHING as error:
        raise LocusError(f"the {kind} file {path!r} cannot be imported: {reason(error)}") from error
    if not is_allowed(getattr(module, name, None)):
        defined = []
        for other_name, value in vars(module).items():
            if is_allowed(value) and getattr(value, "__module__", "") == module.__name__:
                defined.append(other_name)
        raise UnknownNameError(f"{what} in {path}:", name, defined)
    return getattr(module, name)


def module_of(path: Path) -> ModuleType:
    """Run a Python file, which may import its neighbours, and return its module. Raises any error of the code."""
    name = f"outside_{path.stem}_{json_hash(str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that its source can be read
    try:
        with _beside(path.resolve().parent):
            spec.loader.exec_module(module)
    except ANYTHING:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let code in the block import the modules in ``folder``, also if others of the same names are loaded.

    These others are back afterwards: the user's ``config.py`` hides no other package from code that runs later.
    """
    names = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    neighbours = names - {"locus"} - sys.stdlib_module_names
    hidden_modules = {
        name: module
        for name, module in sys.modules.items()
        if _is_other(name, module, neighbours, folder)
    }
    for name in hidden_modules:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()  # the folder may be new
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        hidden = {name.split(".")[0] for name in hidden_modules}
        for name in [name for name in sys.modules if name.split(".")[0] in hidden]:
            del sys.modules[name]
        sys.modules.update(hidden_modules)


def _is_other(name: str, module: ModuleType | None, neighbours: Set[str], folder: Path) -> bool:
    """Return True if a module has the name of one in ``folder`` but comes from elsewhere."""
    file = getattr(module, "__file__", None)
    return name.split(".")[0] in neighbours and (
        file is None or not Path(file).resolve().is_relative_to(folder)
    )


def reason(error: BaseException) -> str:
    """Return the type and message of an error; for a failed import, only the message, which names the module."""
    if not isinstance(error, ImportError):
        return f"{type(error).__name__}: {error}"
    if (error.name or "").split(".")[0] not in PARTS:
        return str(error)
    return f"{error}: write `from locus.{error.name} import …` if you mean the part of Locus, or install {error.name}"


def code_hash(files: Iterable[Path]) -> str:
    """Return 16 hex digits of the code in ``files``. Their names, folders and order do not matter.

    The hash is computed from the syntax trees, without docstrings, in the same way for all versions of Python. Imported
    names enter too, but not the modules of Locus from which they are imported.
    """
    hashes = sorted(_read(file.read_bytes())[0] for file in files)
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


def local_files(file: Path) -> frozenset[Path]:
    """Return a Python file and the local modules that it imports, recursively.

    Local modules are files below the folder of ``file``. Files of Locus are local only to other files of Locus in the
    same folder. Imports inside functions count. Imports by a computed name and data files are not found.
    """
    first = file.resolve()
    imported = _imported_by_locus if first.is_relative_to(HOME) else _imported
    files = {first}
    remaining = [first]
    while remaining:
        new_files = imported(remaining.pop(), first.parent) - files
        files |= new_files
        remaining += new_files
    return frozenset(files)


def _imported(path: Path, folder: Path) -> frozenset[Path]:
    """Return the local modules in ``folder`` that the file ``path`` imports.

    A dotted name may begin with the names of packages that contain ``folder``. A module of the name brings the packages
    above it. Files of Locus are local only to other files of Locus, and the package itself is not.
    """
    candidates: set[Path] = set()
    _, imports = _read(path.read_bytes())
    for level, name in imports:
        names = name.split(".")
        if level:  # from . import a
            candidates |= _module_files(path.parents[level - 1], names, with_root=True)
            continue
        candidates |= _module_files(folder, names, with_root=False)
        for count in range(1, len(names) + 1):
            if (
                tuple(names[:count]) == folder.parts[-count:]
            ):  # the name begins with packages that contain the folder
                candidates |= _module_files(folder, names[count:], with_root=True)
    local = {
        file.resolve() for file in candidates if file.is_relative_to(folder) and file.is_file()
    }
    if not folder.is_relative_to(HOME):
        return frozenset(file for file in local if not file.is_relative_to(HOME))
    return frozenset(local - {folder / "__init__.py"})


def _module_files(root: Path, names: Sequence[str], with_root: bool) -> set[Path]:
    """Return the files that a dotted name below ``root`` may mean, and the packages above; ``with_root``: and root."""
    files = {root / "__init__.py"} if with_root else set()
    for count in range(1, len(names) + 1):
        module = root.joinpath(*names[:count])
        files |= {module / "__init__.py", module.with_name(f"{module.name}.py")}
    return files


_imported_by_locus = cache(_imported)
"""The same, once per process: a file of the user may change while it runs, for example in a notebook."""


@lru_cache(maxsize=512)
def syntax_tree(source: bytes) -> ast.Module:
    """Return the syntax tree of a file, which must not be changed. Raises ``SyntaxError`` or ``ValueError``."""
    return ast.parse(source)


@cache
def _read(source: bytes) -> tuple[str, frozenset[tuple[int, str]]]:
    """Return the hash of a file, and the level and the dotted name of everything that it imports."""
    try:
        tree = syntax_tree(source)
        imports = [*_imports(tree)]
        names = sorted(
            {(_imported_name(name), alias.asname or "") for _, name, alias in _aliases(imports)}
        )
        text = _text(tree) + repr(names)
    except (SyntaxError, ValueError, RecursionError):  # running the file reports the error
        return hashlib.sha256(source).hexdigest(), frozenset()
    return hashlib.sha256(text.encode()).hexdigest(), frozenset(
        (level, name) for level, name, _ in _aliases(imports)
    )


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the import statements below a node, also those in functions."""
    for below in ast.iter_child_nodes(node):
        if isinstance(below, ast.Import | ast.ImportFrom):
            yield below
        elif not isinstance(below, ast.expr):  # an expression has no statements
            yield from _imports(below)


def _aliases(
    imports: Iterable[ast.Import | ast.ImportFrom],
) -> Iterator[tuple[int, str, ast.alias]]:
    """Yield level, dotted name and alias: ``from a import b as c`` has the name ``a.b``."""
    for node in imports:
        for alias in node.names:
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
            yield getattr(node, "level", 0), module + alias.name, alias


def _imported_name(name: str) -> str:
    """Return a dotted name without the modules of Locus: ``locus.methods.base.Method`` is ``Method``."""
    return name.rpartition(".")[2] if name.split(".")[0] in ("locus", *PARTS) else name


def _text(node: Any) -> str:
    """Return a syntax tree as text, without imports and without strings that are statements, such as docstrings."""
    if isinstance(node, list):
        return f"[{','.join(_text(item) for item in node if not _is_omitted(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty strings
        node = ast.JoinedStr(
            [element for element in node.values if getattr(element, "value", None) != ""]
        )
    fields = (
        (name, value)
        for name, value in ast.iter_fields(node)
        if name not in OMITTED and value not in (None, [])
    )
    return f"{type(node).__name__}({','.join(f'{name}={_text(value)}' for name, value in fields)})"


def _is_omitted(node: Any) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return isinstance(node.value.value, str)
    return isinstance(node, ast.Import | ast.ImportFrom)
