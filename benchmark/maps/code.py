"""The code that a map depends on, so that a changed method is never served its old maps."""

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

WING = "methods"
"""The package whose files are followed: the rest of what makes a map has a version, ``benchmark.engine.VERSION``."""


def code(part: type) -> str:
    """16 hex digits of the content of ``sources(part)``."""
    contents = sorted(hashlib.sha256(path.read_bytes()).digest() for path in sources(part))
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]


def sources(part: type) -> set[Path]:
    """All files behind a class: its module, those of its base classes, and what these import from the wing."""
    todo = [path for kind in part.__mro__ if (path := _file(kind.__module__)) is not None]
    found: set[Path] = set()
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += [other for name in _imported(path) if (other := _file(name)) is not None]
    return found


def _file(module: str) -> Path | None:
    """The file of a loaded module or of one of the wing; None for Python's own and where there is none."""
    if module.split(".")[0] in sys.stdlib_module_names:
        return None
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is None and module.startswith(f"{WING}."):
        spec = importlib.util.find_spec(module)
        loaded = spec.origin if spec is not None else None
    return Path(loaded) if loaded is not None and loaded.endswith(".py") else None


def _imported(path: Path) -> Iterator[str]:
    """Names of the wing's modules that a file imports anywhere, also inside a function."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith(f"{WING}."))
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            if node.module.startswith(f"{WING}."):
                yield node.module
            elif node.module == WING:
                yield from (f"{WING}.{name.name}" for name in node.names)
