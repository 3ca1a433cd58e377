"""Digest of the code that a map depends on, so that maps of a changed method are not reused.

The digest includes the source of the method's module and of its imports, recursively: ``methods``, ``core`` and every
module that is neither part of Python nor installed, such as a user's files. For an installed package of methods it
includes the package's own modules. It does not include imports by a computed name, data files, or the versions of
libraries (torch, captum). The code that runs methods,
networks and layers is not included either: it has a version number, ``benchmark.explain.VERSION``.
"""

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import methods

FOLLOWED = frozenset({"methods", "core"})
"""Packages that are always included, even if Locus is installed."""
INSTALLED = frozenset({"site-packages", "dist-packages"})


def code_digest(part: type) -> str:
    """Return 16 hex digits of the content of ``sources(part)``.

    Stored maps are reused as long as this digest is unchanged.

    >>> code_digest(methods.get("cam")) != code_digest(methods.get("gradcam"))
    True
    """
    contents = sorted(hashlib.sha256(path.read_bytes()).digest() for path in sources(part))
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]


def sources(part: type) -> set[Path]:
    """Return all source files of a class: its module, those of its base classes, and their imports."""
    kinds = (kind for kind in part.__mro__ if kind is part or issubclass(kind, methods.Method))
    packages = FOLLOWED | {_top(kind.__module__) for kind in kinds}
    todo = [kind.__module__ for kind in part.__mro__]
    files: dict[str, Path | None] = {}
    while todo:
        name = todo.pop()
        spec = _spec(name) if name not in files and _followed(name, packages) else None
        files.setdefault(name, _file(spec))
        if spec is not None and (path := files[name]) is not None:
            todo += _imported(path.read_bytes(), spec.parent or "")
    return {path for path in files.values() if path is not None}


def _top(module: str) -> str:
    return module.split(".")[0]


def _followed(module: str, packages: frozenset[str]) -> bool:
    """True if a module's code belongs to the method, not to Python or a library."""
    if _top(module) in packages or _top(module) in sys.stdlib_module_names:
        return _top(module) in packages
    spec = _spec(_top(module))
    if spec is None:
        return False
    origin = spec.origin or next(iter(spec.submodule_search_locations or ()), "")
    return INSTALLED.isdisjoint(Path(origin).parts)


def _spec(module: str) -> ModuleSpec | None:
    """Return the spec of a module, without importing it or its package."""
    if module in sys.modules:
        return getattr(sys.modules[module], "__spec__", None)
    package = module.rpartition(".")[0]
    if not package:
        return importlib.util.find_spec(module)
    above = _spec(package)
    folders = None if above is None else above.submodule_search_locations
    return None if folders is None else PathFinder.find_spec(module, list(folders))


def _file(spec: ModuleSpec | None) -> Path | None:
    return None if spec is None or spec.origin is None or not spec.origin.endswith(".py") else Path(spec.origin)


@cache
def _imported(source: bytes, package: str) -> tuple[str, ...]:
    """Return all names imported anywhere in ``source``, also inside functions; some are not modules."""
    return tuple(name for node in ast.walk(ast.parse(source)) for name in _names(node, package))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom) and (package or not node.level):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        yield from (module, *(f"{module}.{name.name}" for name in node.names))
