"""What the classes of a Python file state, read from its text alone: nothing is imported."""

import ast
import functools
from pathlib import Path
from typing import Any


def module_name(path: Path) -> str:
    """What the module of a file is called in its folder: ``nih`` of ``nih.py`` and of ``nih/__init__.py``."""
    return path.parent.name if path.stem == "__init__" else path.stem


def declared(path: Path) -> list[str]:
    """The words of a file's classes: string constants assigned to ``name`` in a class body."""
    try:
        return [name for node in _classes(path) for name in map(_name_of, node.body) if name]
    except SyntaxError:
        return [module_name(path)]  # known by its file, so that asking for it tells what is broken


def _classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in _body(path) if isinstance(node, ast.ClassDef)]


def _body(path: Path) -> list[ast.stmt]:
    """The statements of a file, parsed once as long as it does not change."""
    state = path.stat()
    return _parsed(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=256)
def _parsed(path: Path, *state: int) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def _name_of(node: ast.stmt) -> str | None:
    value = _assigned(node, "name")
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _assigned(node: ast.stmt, attribute: str) -> ast.expr | None:
    """What a statement assigns to ``attribute``; None for any other statement."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    named = any(isinstance(target, ast.Name) and target.id == attribute for target in targets)
    return node.value if named and isinstance(node, ast.Assign | ast.AnnAssign) else None


def read_attribute(path: Path, name: str, attribute: str) -> Any:
    """The literal that the class of the word ``name`` in a file, or one of its bases, states for ``attribute``.

    Read once as long as the file does not change; None where there is no such literal.
    """
    return _read_attribute(path, name, attribute, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _read_attribute(path: Path, name: str, attribute: str, *state: int) -> Any:
    try:
        kind = next(node for node in _classes(path) if name in map(_name_of, node.body))
        return _stated(kind, path, attribute)
    except (StopIteration, SyntaxError, ValueError, RecursionError):  # what no text tells, importing the part does
        return None


def _stated(kind: ast.ClassDef, path: Path, attribute: str) -> Any:
    """The literal that a class states for ``attribute``, or the first of its bases that states one; None for none.

    Raises ``ValueError`` where what is stated is no literal.
    """
    for value in filter(None, (_assigned(node, attribute) for node in kind.body)):
        match value:
            case ast.Call(func=ast.Name("frozenset" | "set"), args=[members]):
                return frozenset(ast.literal_eval(members))
            case _:
                return ast.literal_eval(value)
    bases = (_class(base.id, path) for base in kind.bases if isinstance(base, ast.Name))
    stated = (_stated(*base, attribute) for base in bases if base)
    return next((value for value in stated if value is not None), None)


def _class(name: str, path: Path) -> tuple[ast.ClassDef, Path] | None:
    """The class that a file calls ``name`` and its file, be it its own or imported from a module beside it."""
    for node in _body(path):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node, path
        if isinstance(node, ast.ImportFrom):
            beside = path.with_name(f"{(node.module or '').split('.')[-1]}.py")
            original = {alias.asname or alias.name: alias.name for alias in node.names}.get(name)
            if original and beside != path and beside.is_file():
                return _class(original, beside)
    return None
