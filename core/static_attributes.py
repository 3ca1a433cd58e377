"""Class attributes parsed from the text of a Python file, without importing it."""

import ast
import functools
from pathlib import Path
from typing import Any


def module_name(path: Path, module: str = "__init__") -> str:
    """Return the name of the file or package of a class: ``nih`` for ``nih.py`` and for ``nih/__init__.py``."""
    return path.parent.name if path.stem == module else path.stem


def declared(path: Path, module: str = "__init__") -> list[str]:
    """Return the string constants assigned to ``name`` in the class bodies of a file."""
    try:
        return [name for node in _classes(path) for name in map(_name_of, node.body) if name]
    except SyntaxError:
        return [module_name(path, module)]  # importing it reports the error


def _classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in _body(path) if isinstance(node, ast.ClassDef)]


def _body(path: Path) -> list[ast.stmt]:
    """Return the statements of a file; cached until the file changes."""
    state = path.stat()
    return _parsed(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=256)
def _parsed(path: Path, *state: int) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def _name_of(node: ast.stmt) -> str | None:
    value = _assigned(node, "name")
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _assigned(node: ast.stmt, attribute: str) -> ast.expr | None:
    """Return the value that a statement assigns to ``attribute``; None for any other statement."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    is_attribute = any(isinstance(target, ast.Name) and target.id == attribute for target in targets)
    return node.value if is_attribute and isinstance(node, ast.Assign | ast.AnnAssign) else None


def read_attribute(path: Path, name: str, attribute: str) -> Any:
    """Return the literal assigned to ``attribute`` in the class named ``name`` or in one of its bases, else None.

    Cached until the file changes.
    """
    return _read_attribute(path, name, attribute, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _read_attribute(path: Path, name: str, attribute: str, *state: int) -> Any:
    try:
        kind = next(node for node in _classes(path) if name in map(_name_of, node.body))
        return _literal_of(kind, path, attribute)
    except (StopIteration, SyntaxError, ValueError, RecursionError):  # importing the part will report the error
        return None


def _literal_of(kind: ast.ClassDef, path: Path, attribute: str) -> Any:
    """Return the literal assigned to ``attribute`` in a class, or in the first of its bases that has one.

    Raises ``ValueError`` if the value is not a literal.
    """
    for value in filter(None, (_assigned(node, attribute) for node in kind.body)):
        match value:
            case ast.Call(func=ast.Name("frozenset" | "set"), args=[members]):
                return frozenset(ast.literal_eval(members))
            case _:
                return ast.literal_eval(value)
    bases = (_class(base.id, path) for base in kind.bases if isinstance(base, ast.Name))
    literals = (_literal_of(*base, attribute) for base in bases if base)
    return next((value for value in literals if value is not None), None)


def _class(name: str, path: Path) -> tuple[ast.ClassDef, Path] | None:
    """Return the class ``name`` of a file and the file that defines it: this one, or a sibling that it imports from."""
    for node in _body(path):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node, path
        if isinstance(node, ast.ImportFrom):
            sibling = path.with_name(f"{(node.module or '').split('.')[-1]}.py")
            original = {alias.asname or alias.name: alias.name for alias in node.names}.get(name)
            if original and sibling != path and sibling.is_file():
                return _class(original, sibling)
    return None
