"""Registry of parts: methods, data sets and protocols. Each part is a class that has a ``name`` and its own file.

Names and class attributes are parsed from the source text, and a module is imported when its part is requested. So
``--help`` is fast, a missing library disables only one part, and a new part is one new file.

A spec is a name with options: ``occlusion:window=32`` means ``Occlusion(window=32)``. In other modules, a ``word`` is a
spec that was given on the command line or in a suite. Parts that the user names as ``path/to/file.py:Class`` are loaded
by ``locus.core.user_code``.
"""

import ast
import contextlib
import functools
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from locus.core.errors import BadValueError, DataError, NotAvailableError, UnknownNameError, examples
from locus.core.user_code import module_of, reason, syntax_tree

UNREADABLE = ast.Name("unreadable", ast.Load())
"""Stands for a value that is not written in the file."""
T = TypeVar("T")
BROKEN = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError,
)  # fmt: skip
"""Errors that importing or running a user's part may raise."""


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
    """Return what ``name`` (``Method``, ``locus.methods.Method``) means in a file that defines the classes ``here``."""
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
    statements: list[Any] = [*syntax_tree(path.read_bytes()).body]
    for node in statements:  # the list grows meanwhile
        if isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            for part in ("body", "handlers", "orelse", "finalbody"):
                statements += getattr(node, part, [])
    return statements


_is_same = functools.cache(Path.samefile)
"""Called with absolute paths of folders that exist: a process does not exchange them."""


class Registry:
    """Parts of one package, by name."""

    def __init__(self, package: str, kind: str, folder: str | None = None) -> None:
        """Set the ``package`` that contains the parts, and the ``kind`` of part: a noun for error messages.

        ``folder``: the folder for parts of the user, relative to the working folder.
        """
        self.package, self.kind, self.folder = package, kind, folder
        self.added: dict[str, type[Any]] = {}
        """Name -> a class registered in this session; see ``adding``."""

    @contextlib.contextmanager
    def adding(self, parts: Sequence[type[Any]]) -> Iterator[None]:
        """Register the classes ``parts``, for example from a notebook, for the duration of the block.

        Raises ``BadValueError`` for a class without a valid ``name`` and for a name that is already taken.
        """
        added: dict[str, type[Any]] = {}
        for part in parts:
            name = getattr(part, "name", None)
            if not inspect.isclass(part):
                raise BadValueError(f"{part!r} is not a class: give a {self.kind} class")
            if not isinstance(name, str) or not name.isidentifier():
                example = f'such as name = "my{self.kind.replace(" ", "")}"'
                advice = f"set a Python identifier, {example}, in the {self.kind} class"
                raise BadValueError(f"{part!r} has the name {name!r}: {advice}")
            if (name in self.names() and self.get(name) is not part) or added.get(name, part) is not part:
                raise BadValueError(f"another {self.kind} is called {name!r}: give {part.__qualname__} another name")
            added[name] = part
        before, self.added = self.added, {**self.added, **added}
        try:
            yield
        finally:
            self.added = before

    @functools.cached_property
    def home(self) -> Path:
        """The folder of the package. Raises ``DataError`` if it is missing."""
        package = importlib.util.find_spec(self.package)
        if package is None or not package.submodule_search_locations:
            raise DataError(f"the folder of the package {self.package!r} is missing: run from the checkout")
        return Path(package.submodule_search_locations[0])

    @functools.cached_property
    def packaged(self) -> dict[str, Path]:
        """Name -> the file of the package that defines it, sorted. Raises ``DataError`` for a name in two files."""
        paths = [*self.home.glob("*.py"), *self.home.glob("*/__init__.py")]
        return self._named(
            {}, [path for path in paths if path.name not in ("__init__.py", "base.py") or path.parent != self.home]
        )

    @property
    def files(self) -> dict[str, Path]:
        """Name -> the file that defines it: those of the package, then those of the user's folder.

        Raises ``DataError`` for a name in two files and for a part without a readable name.
        """
        folder = Path(self.folder).absolute() if self.folder else None
        if folder is None or not folder.is_dir() or _is_same(folder, self.home):
            return self.packaged
        paths = folder.glob("*.py")
        return self._named(self.packaged, [path for path in paths if not path.name.startswith("_")])

    def _named(self, files: dict[str, Path], paths: Iterable[Path]) -> dict[str, Path]:
        """Return ``files`` and the parts of the files ``paths``."""
        more: dict[str, Path] = {}
        for path in sorted(paths):
            for name in declared(path, self.home):
                if first := (files | more).get(name):
                    raise DataError(f"the {self.kind} {name!r} is defined twice: in {first} and in {path}; rename one")
                more[name] = path
        return files | dict(sorted(more.items()))

    def names(self) -> list[str]:
        """Return all names without importing any part: sorted, those of the user's folder after the others."""
        return [*self.files, *sorted(self.added.keys() - self.files.keys())]

    def check(self, spec: str) -> str:
        """Return the name in a spec. Raises ``UnknownNameError``; imports nothing."""
        name = spec.split(":")[0] if isinstance(spec, str) else repr(spec)
        if name not in self.added and name not in self.files:
            raise UnknownNameError(self.kind, name, self.names())
        return name

    def get(self, spec: str) -> type[Any]:
        """Return the class of a spec. Raises ``UnknownNameError``, or ``NotAvailableError`` if the import fails."""
        name = self.check(spec)
        return self.added[name] if name in self.added else _with_name(self._module(name), name)

    def read_attribute(self, spec: str, attribute: str) -> Any:
        """Return the literal assigned to ``attribute`` in the class of a spec or its bases, without importing it.

        None if there is no such literal, or if the part is not in a file. Raises ``UnknownNameError``.
        """
        name, files = self.check(spec), self.files
        return read_attribute(files[name], name, attribute, self.home) if name in files else None

    def build(self, spec: str, **given: Any) -> Any:
        """Create an instance with the options of the spec and the ``given`` keyword arguments."""
        return construct(self.get(spec), self.kind, spec, given)

    def _module(self, name: str) -> ModuleType:
        path = self.files[name]
        try:
            if self.home in path.parents:
                return importlib.import_module(f"{self.package}.{module_name(path)}")
            return _of_user(path)
        except BROKEN as error:
            raise NotAvailableError(f"the {self.kind} {name!r} cannot be imported: {reason(error)}") from error


METHODS = Registry("locus.methods", "method", folder="methods")
"""Heat-map methods: those of Locus, then those of ``./methods``."""
DATASETS = Registry("locus.datasets", "data set")
PROTOCOLS = Registry("locus.benchmark.scoring.protocols", "protocol")


def build(parts: Mapping[str, Callable[..., Any]], kind: str, spec: str, **given: Any) -> Any:
    """Create the part of a spec, as ``construct`` does. Raises ``UnknownNameError`` if it is not among the ``parts``.

    >>> build({"complex": complex}, "number", "complex:real=3", imag=4)
    (3+4j)
    """
    return construct(named(parts, kind, spec), kind, spec, given)


def named(parts: Mapping[str, T], kind: str, spec: str) -> T:
    """Return the part that a spec names. Raises ``UnknownNameError`` if it is not among the ``parts``."""
    name = spec.split(":")[0]
    if name not in parts:
        raise UnknownNameError(kind, name, [*parts])
    return parts[name]


def construct(part: Callable[..., Any], kind: str, spec: str, given: dict[str, Any]) -> Any:
    """Call ``part`` with the ``given`` options, overridden by those of ``spec``. Raises ``BadValueError``."""
    values = {**given, **options(spec)}
    parameters = inspect.signature(part).parameters.values()
    allowed = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for name in values:
        if name not in allowed:
            option_names, part_name = examples(allowed, 9) or "none", spec.split(":")[0]
            raise BadValueError(f"the {kind} {part_name!r} has no option {name!r}; it has: {option_names}")
    return part(**values)


def validated(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option ``values``, checked and converted according to the annotations of ``function`` (1 becomes 1.0).

    Raises ``BadValueError`` with the value and what is allowed.
    """
    hints = get_type_hints(function, include_extras=True) if values else {}
    return {name: _validated(name, value, hints.get(name, Any)) for name, value in values.items()}


def _validated(name: str, value: Any, hint: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value, strict=True)
    except ValidationError as error:
        allowed = " or ".join(problem["msg"].removeprefix("Input should be ") for problem in error.errors())
        raise BadValueError(f"bad value {value!r} for the option {name!r}: it must be {allowed}") from error


def options(spec: str) -> dict[str, Any]:
    """Parse the options of a spec as Python literals.

    >>> options("LSE:gamma=5")
    {'gamma': 5}
    """
    pairs = [pair.partition("=") for pair in spec.partition(":")[2].split(",") if pair]
    for name, equals, value in pairs:
        if not equals or not name or not value:
            raise BadValueError(
                f"bad option {name + equals + value!r} in {spec!r}: write NAME:option=value,option=value"
            )
    return {name: _literal(value) for name, _, value in pairs}


def normalize_name(spec: str, known: Collection[str]) -> str:
    """Return a spec with its name in the registered spelling; case, ``-``, ``_`` and spaces are ignored.

    >>> normalize_name("Grad-CAM++", ["gradcam", "gradcampp"])
    'gradcampp'
    """
    name, colon, rest = spec.partition(":")
    if name in known:
        return spec
    return {_bare(other): other for other in known}.get(_bare(name), name) + colon + rest


@functools.lru_cache(maxsize=1024)
def _bare(name: str) -> str:
    return re.sub("[-_ ]", "", name.lower().replace("+", "p"))


@functools.cache
def _of_user(path: Path) -> ModuleType:
    return module_of(path)


def _with_name(module: ModuleType, name: str) -> type[Any]:
    for value in vars(module).values():
        if inspect.isclass(value) and value.__module__ == module.__name__ and value.__dict__.get("name") == name:
            return value
    raise NotAvailableError(f"{module.__file__} does not define a class with name = {name!r}")


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
