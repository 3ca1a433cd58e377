"""Names and class attributes of parts, parsed from the text of Python files without importing them."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import DataError

UNREADABLE = ast.Name("unreadable", ast.Load())
"""Stands for a value that is not written in the file."""


def module_name(path: Path) -> str:
    """Return the name of the file or package of a class: ``nih`` for ``nih.py`` and for ``nih/__init__.py``."""
    return path.parent.name if path.stem == "__init__" else path.stem


def declared(path: Path, package: Path) -> list[str]:
    """Return the names of the parts in a file: strings assigned to ``name`` in the bodies of its classes.

    In a file outside of ``package``, only classes that derive from a class of Locus are parts. Raises
    ``DataError`` for such a class without a readable name. A base class for other files declares its name without a
    value (``name: ClassVar[str]``) or starts with ``_``.
    """
    names = []
    try:
        for kind in _classes(path):
            name, is_part = _name(kind), _is_part(kind, path, package)
            origins = [_origin(ast.unparse(base), path).split(".")[0] for base in kind.bases]
            if name is not None and (is_part or package in path.parents or {"locus", package.name} & {*origins}):
                names.append(name)
            if name is None and is_part and not kind.name.startswith("_") and not _leaves_name_open(kind):
                example = re.sub(r"\W", "", module_name(path).lower())
                raise DataError(
                    f'the class {kind.name} in {path} has no readable name: write name = "{example}" in its body'
                )
    except (SyntaxError, ValueError):
        return [module_name(path)]  # importing it reports the error
    return names


@functools.cache
def read_attribute(path: Path, name: str, attribute: str, package: Path) -> Any:
    """Return the literal assigned to ``attribute`` in the class named ``name`` or in one of its bases, else None."""
    try:
        return _literal_of(next(kind for kind in _classes(path) if _name(kind) == name), path, attribute, package)
    except (StopIteration, SyntaxError, ValueError, RecursionError):  # importing the part will report the error
        return None


def _name(kind: ast.ClassDef) -> str | None:
    """Return the name that the body of a class sets; None if it sets none, or none that can be read."""
    value = getattr(_assigned(kind).get("name"), "value", None)
    return value if isinstance(value, str) and value.isidentifier() else None


def _leaves_name_open(kind: ast.ClassDef) -> bool:
    """Return whether a class only declares ``name``, for its subclasses to set."""
    notes = (node for node in kind.body if isinstance(node, ast.AnnAssign) and node.value is None)
    return any(isinstance(node.target, ast.Name) and node.target.id == "name" for node in notes)


def _is_part(kind: ast.ClassDef, path: Path, package: Path) -> bool:
    """Return whether a class derives from the base class of ``package``: the one whose name ``base.py`` leaves open."""
    try:
        bases = [*_bases(kind, path, package)]
        return any(
            (file == package / "base.py" and _leaves_name_open(base)) or _is_part(base, file, package)
            for base, file in bases
        )
    except (SyntaxError, ValueError, RecursionError):  # importing the part will report the error
        return False


def _literal_of(kind: ast.ClassDef, path: Path, attribute: str, package: Path) -> Any:
    """Return the literal assigned to ``attribute`` in a class, or in the first of its bases that has one.

    Raises ``ValueError`` if the value is not a literal.
    """
    match _assigned(kind).get(attribute):
        case ast.Call(func=ast.Name("frozenset" | "set"), args=[members]):
            return frozenset(ast.literal_eval(members))
        case ast.expr() as value:
            return ast.literal_eval(value)
    literals = (_literal_of(*base, attribute, package) for base in _bases(kind, path, package))
    return next((value for value in literals if value is not None), None)


def _bases(kind: ast.ClassDef, path: Path, package: Path) -> Iterator[tuple[ast.ClassDef, Path]]:
    """Yield the base classes with their files, as far as they are in this file, its folder or ``package``."""
    for base in kind.bases:
        if isinstance(base, ast.Name | ast.Attribute):
            before = [other for other in _classes(path) if other.lineno < kind.lineno]
            if (resolved := _find_class(ast.unparse(base), before, path, package)) is not None:
                yield resolved


def _find_class(name: str, here: list[ast.ClassDef], path: Path, package: Path) -> tuple[ast.ClassDef, Path] | None:
    """Return what ``name`` (``Method``, ``methods.Method``) means in a file that defines the classes ``here``."""
    for kind in here:
        if kind.name == name:
            return kind, path
    *modules, original = _origin(name, path).split(".")
    stem = modules[-1] if modules else ""
    files = [path.with_name(f"{stem}.py"), package / f"{stem}.py", package / stem / "__init__.py"]
    files += [package / "base.py"] if modules and modules[0] in ("locus", package.name) else []
    others = (_find_class(original, _classes(file), file, package) for file in files if file != path and file.is_file())
    return next((other for other in others if other), None)


def _origin(name: str, path: Path) -> str:
    """Return the dotted origin of a name that a file uses, as its imports say."""
    (first, dot, rest), imports = name.partition("."), _imports(path)
    return (imports.get(first) or imports.get("*", "").removesuffix("*") + first) + dot + rest


def _imports(path: Path) -> dict[str, str]:
    """Return the names that a file imports, with their dotted origins: ``Tensor`` -> ``torch.Tensor``."""
    names: dict[str, str] = {}
    for node in _statements(path):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            module = f"{node.module or path.parent.name}."
            names |= {alias.asname or alias.name: module + alias.name for alias in node.names}
    return names


def _classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in _statements(path) if isinstance(node, ast.ClassDef)]


def _assigned(kind: ast.ClassDef) -> dict[str, ast.expr]:
    """Return attribute -> the expression assigned to it in the body of a class, ``UNREADABLE`` if it is none there."""
    assigned: dict[str, ast.expr] = {}
    for node in kind.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assigned |= _bound(target, node.value)
        elif isinstance(node, ast.AnnAssign):
            assigned |= _bound(node.target, node.value) if node.value else {}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            assigned[node.name] = UNREADABLE
        else:
            stored = (part for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))
            assigned |= dict.fromkeys((part.id for part in stored), UNREADABLE)
    return assigned


def _bound(target: ast.expr, value: ast.expr) -> dict[str, ast.expr]:
    """Return name -> the expression that an assignment gives it; the names of a tuple get the items of a tuple."""
    if isinstance(target, ast.Name):
        return {target.id: value}
    names, items = getattr(target, "elts", []), getattr(value, "elts", [])
    if len(names) != len(items) or any(isinstance(part, ast.Starred) for part in (*names, *items)):
        items = [UNREADABLE] * len(names)
    return {name: part for pair in zip(names, items, strict=True) for name, part in _bound(*pair).items()}


@functools.cache
def _statements(path: Path) -> list[ast.stmt]:
    """Return the statements of a file, also those within ``if``, ``try`` and ``with`` at its top level."""
    statements: list[Any] = ast.parse(path.read_bytes()).body
    for node in statements:  # the list grows meanwhile
        if isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            for part in ("body", "handlers", "orelse", "finalbody"):
                statements += getattr(node, part, [])
    return statements
