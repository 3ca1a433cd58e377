"""The code that a map depends on, so that a changed method is never served its old maps.

In a map's key is the content of the method's module and of what it imports, module by module: the package ``methods``,
``core``, and everything that is neither Python's own nor installed, so also what a file outside the tree imports from
its folder; of an installed package of methods all that it imports from itself. Not in the key: what a module imports by
a computed name, data that it reads, and the versions of libraries (torch, captum), which change a map in its last
digits or on purpose. The engine, the networks and the layers have a version, ``benchmark.engine.VERSION``.
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
"""Packages that are followed even where Locus itself is installed."""
INSTALLED = frozenset({"site-packages", "dist-packages"})


def code_digest(part: type) -> str:
    """16 hex digits of the content of ``sources(part)``.

    A stored map belongs to the code that made it: it is found again while this stays.

    >>> code_digest(methods.get("cam")) != code_digest(methods.get("gradcam"))
    True
    """
    contents = sorted(hashlib.sha256(path.read_bytes()).digest() for path in sources(part))
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]


def sources(part: type) -> set[Path]:
    """All files behind a class: its module, those of its base classes, and what these import from each other."""
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
    """Whether the code of a module belongs to the method, not to Python or to a library."""
    if _top(module) in packages or _top(module) in sys.stdlib_module_names:
        return _top(module) in packages
    spec = _spec(_top(module))
    if spec is None:
        return False
    origin = spec.origin or next(iter(spec.submodule_search_locations or ()), "")
    return INSTALLED.isdisjoint(Path(origin).parts)


def _spec(module: str) -> ModuleSpec | None:
    """How Python finds a module, without importing it or the package that it lies in."""
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
    """All names that the ``source`` of a module imports anywhere, also inside a function; some are no modules."""
    return tuple(name for node in ast.walk(ast.parse(source)) for name in _names(node, package))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom) and (package or not node.level):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        yield from (module, *(f"{module}.{name.name}" for name in node.names))
