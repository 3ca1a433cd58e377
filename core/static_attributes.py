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
        names = (getattr(_assigned(kind).get("name"), "value", None) for kind in _classes(path))
        return [name for name in names if isinstance(name, str)]
    except SyntaxError:
        return [module_name(path, module)]  # importing it reports the error


@functools.cache
def read_attribute(path: Path, name: str, attribute: str) -> Any:
    """Return the literal assigned to ``attribute`` in the class named ``name`` or in one of its bases, else None."""
    try:
        named = (kind for kind in _classes(path) if getattr(_assigned(kind).get("name"), "value", None) == name)
        return _literal_of(next(named), path, attribute)
    except (StopIteration, SyntaxError, ValueError, RecursionError):  # importing the part will report the error
        return None


def _literal_of(kind: ast.ClassDef, path: Path, attribute: str) -> Any:
    """Return the literal assigned to ``attribute`` in a class, or in the first of its bases that has one.

    Raises ``ValueError`` if the value is not a literal.
    """
    match _assigned(kind).get(attribute):
        case ast.Call(func=ast.Name("frozenset" | "set"), args=[members]):
            return frozenset(ast.literal_eval(members))
        case ast.expr() as value:
            return ast.literal_eval(value)
    bases = (_find_class(base.id, path) for base in kind.bases if isinstance(base, ast.Name))
    literals = (_literal_of(*base, attribute) for base in bases if base)
    return next((value for value in literals if value is not None), None)


def _find_class(name: str, path: Path) -> tuple[ast.ClassDef, Path] | None:
    """Return the class ``name`` of a file and the file that defines it: this one, or a sibling that it imports from."""
    for node in _statements(path):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node, path
        if isinstance(node, ast.ImportFrom):
            sibling = path.with_name(f"{(node.module or '').split('.')[-1]}.py")
            original = {alias.asname or alias.name: alias.name for alias in node.names}.get(name)
            if original and sibling != path and sibling.is_file():
                return _find_class(original, sibling)
    return None


def _classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in _statements(path) if isinstance(node, ast.ClassDef)]


def _assigned(kind: ast.ClassDef) -> dict[str, ast.expr]:
    """Return attribute -> the expression assigned to it in the body of a class."""
    assigned: dict[str, ast.expr] = {}
    for node in kind.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            assigned |= {target.id: node.value for target in targets if isinstance(target, ast.Name)}
    return assigned


@functools.cache
def _statements(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body
