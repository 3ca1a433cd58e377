"""Registry of methods, data sets, protocols, checks and baselines. Each part is a class with a ``name`` in a file.

Names are read from the source text, and a module is imported when its part is requested. So ``--help`` is fast, a file
that cannot be imported disables only its own parts, and a new part is one new file.

A spec is a name with options: ``occlusion:window=32`` means ``Occlusion(window=32)``. In other modules, a ``word`` is a
spec that was given on the command line or in a suite. Parts that the user names as ``path/to/file.py:Class`` are loaded
by ``locus.core.user_code``. A registry may also have the parts of a plugin folder, and those that other packages
declare as entry points.
"""

import ast
import contextlib
import functools
import importlib
import importlib.util
import inspect
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from locus.core.errors import (
    BadValueError,
    DataError,
    NotAvailableError,
    UnknownNameError,
    examples,
)
from locus.core.names import is_unusual_number
from locus.core.user_code import module_of, reason, syntax_tree

log = logging.getLogger(__name__)
T = TypeVar("T")
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors that importing or running a user's part may raise."""
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
PLUGINS = "LOCUS_PLUGINS"
"""Environment variable with the folder of the user's methods. ``--plugins`` sets it, so that child processes see it."""


def module_name(path: Path) -> str:
    """Return the name of the file or package of a class: ``nih`` for ``nih.py`` and for ``nih/__init__.py``."""
    return path.parent.name if path.stem == "__init__" else path.stem


@functools.cache
def _classes(path: Path) -> list[tuple[str, str | None, list[str]]]:
    """Return the derived classes in a file, each with the string that its body calls ``name`` and its bases.

    The string is empty if the body leaves the name to subclasses, and None if there is none. A file that Python cannot
    read has one class with the name of the file: importing it says why.
    """
    try:
        body = syntax_tree(path.read_bytes()).body
    except (SyntaxError, ValueError, RecursionError):
        return [(module_name(path), module_name(path), [])]
    classes = []
    for node in body:
        if isinstance(node, ast.ClassDef) and node.bases:
            classes.append((node.name, _name(node), [ast.unparse(base) for base in node.bases]))
    return classes


def _name(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        match statement:
            case ast.Assign([ast.Name("name")], value) | ast.AnnAssign(
                ast.Name("name"), value=value
            ):
                if value is None:  # a name without a value, which subclasses set
                    return ""
                name = _text(value)
                if name:
                    return name
    return None


def _text(node: ast.expr) -> str:
    """Return the value of a string, else an empty one."""
    match node:
        case ast.Constant(str(name)):
            return name
    return ""


@functools.cache
def _warn_nameless(class_name: str, path: Path) -> None:
    """Warn once about a class that should be a part but has no name."""
    example = re.sub(r"\W", "", module_name(path).lower())
    log.warning(
        'the class %s in %s has no readable name: write name = "%s" in its body',
        class_name,
        path,
        example,
    )


_of_user = functools.cache(module_of)
_is_same = functools.cache(Path.samefile)
"""Called with absolute paths of folders that exist: a process does not exchange them."""


class Registry:
    """Parts of one package, by name."""

    def __init__(
        self,
        package: str,
        kind: str,
        variable: str | None = None,
        group: str | None = None,
        any_name: bool = False,
    ) -> None:
        """Create a registry; nothing is read yet.

        Args:
            package: the package that contains the parts.
            kind: noun for a part in error messages.
            variable: the environment variable that names a folder with parts of the user.
            group: the group of entry points by which other packages declare parts.
            any_name: allow names in files that are no identifiers, such as ``second readers``.
        """
        self.package = package
        self.kind = kind
        self.variable = variable
        self.group = group
        self.any_name = any_name
        self.added: dict[str, type[Any]] = {}
        """Name -> a class registered in this session; see ``adding``."""

    @contextlib.contextmanager
    def adding(self, classes: Sequence[type[Any]]) -> Iterator[None]:
        """Register the ``classes``, for example from a notebook, for the duration of the block.

        Raises ``BadValueError`` for a class without a valid ``name`` and for a name that is already taken.
        """
        added: dict[str, type[Any]] = {}
        for part_class in classes:
            if not inspect.isclass(part_class):
                raise BadValueError(f"{part_class!r} is not a class: give a {self.kind} class")
            name = getattr(part_class, "name", None)
            if not isinstance(name, str) or not name.isidentifier():
                example = f'such as name = "my{self.kind.replace(" ", "")}"'
                advice = f"set a Python identifier, {example}, in the {self.kind} class"
                raise BadValueError(f"{part_class!r} has the name {name!r}: {advice}")
            is_registered = name in self.names() and self.get(name) is not part_class
            if is_registered or added.get(name, part_class) is not part_class:
                raise BadValueError(
                    f"another {self.kind} is called {name!r}: give {part_class.__qualname__} another name"
                )
            added[name] = part_class
        before = self.added
        self.added = {**before, **added}
        try:
            yield
        finally:
            self.added = before

    @functools.cached_property
    def home(self) -> Path:
        """The folder of the package."""
        spec: Any = importlib.util.find_spec(self.package)
        return Path(spec.submodule_search_locations[0])

    @functools.cached_property
    def packaged(self) -> dict[str, Path]:
        """Name -> the file of the package that defines it, sorted. Raises ``DataError`` for a name in two files."""
        paths = [*self.home.glob("*.py"), *self.home.glob("*/__init__.py")]
        return self._named({}, [path for path in paths if path.name != "base.py"])

    @functools.cached_property
    def entry_points(self) -> dict[str, EntryPoint]:
        """Name -> the entry point of another package that declares it; nothing is imported.

        Raises ``DataError`` for a name that Locus or a second package has.
        """
        declared: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group) if self.group else ():
            if point.name in self.packaged or declared.get(point.name, point) != point:
                where = f"the entry point {point.name} = {point.value} ({self.group})"
                raise DataError(
                    f"{where} has the name of another {self.kind}: rename it or uninstall its package"
                )
            declared[point.name] = point
        return declared

    @property
    def files(self) -> dict[str, Path]:
        """Name -> the file that defines it: those of the package, then those of the plugin folder.

        Raises ``DataError`` for a name in two files and for a plugin folder that does not exist. Logs a warning for a
        part without a readable name.
        """
        folder = os.environ.get(self.variable, "") if self.variable else ""
        return self._with_plugins(Path(folder).absolute()) if folder else self.packaged

    def _with_plugins(self, folder: Path) -> dict[str, Path]:
        """Return ``files`` for a plugin folder, which may be the folder of the package itself."""
        if not folder.is_dir():
            raise DataError(f"the folder {folder} of --plugins (or {self.variable}) does not exist")
        if _is_same(folder, self.home):
            return self.packaged
        paths = [path for path in folder.glob("*.py") if not path.name.startswith("_")]
        return self._named({**self.packaged}, paths)

    def file_of(self, name: str) -> Path | None:
        """Return the file of a part, importing it only if another package declares it; None for a class in memory."""
        if name in self.entry_points:
            return Path(inspect.getfile(self.get(name)))
        return self.files.get(name)

    def _named(self, files: dict[str, Path], paths: Iterable[Path]) -> dict[str, Path]:
        """Return ``files`` and the parts of the files ``paths``: classes that have a name and derive from others.

        A class without a name is reported if the name of a base ends with the kind of part, such as GradientMethod.
        """
        ending = self.kind.replace(" ", "")
        new_files: dict[str, Path] = {}
        for path in sorted(paths):
            for class_name, name, bases in _classes(path):
                is_readable = self.any_name or not name or name.isidentifier()
                if name and is_readable:
                    first = files.get(name) or new_files.get(name)
                    if first is not None:
                        places = f"in {first} and in {path}"
                        raise DataError(
                            f"the {self.kind} {name!r} is defined twice: {places}; rename one"
                        )
                    new_files[name] = path
                    continue
                is_part = any(base.lower().endswith(ending) for base in bases)
                is_nameless = name is None or not is_readable
                if is_nameless and is_part and not class_name.startswith("_"):
                    _warn_nameless(class_name, path)
        return files | dict(sorted(new_files.items()))

    def names(self) -> list[str]:
        """Return all names without importing any part: the package's, then those of plugins and of other packages."""
        listed = dict.fromkeys([*self.files, *sorted(self.entry_points)])
        return [*listed, *sorted(self.added.keys() - listed.keys())]

    def check(self, spec: str) -> str:
        """Return the name in a spec. Raises ``UnknownNameError``; imports nothing."""
        if not isinstance(spec, str):
            raise UnknownNameError(self.kind, repr(spec), self.names())
        name = spec
        if not (self.any_name and spec in self.files):
            name = spec.split(":")[0]
        if name not in self.added and name not in self.files and name not in self.entry_points:
            raise UnknownNameError(self.kind, name, self.names())
        return name

    def get(self, spec: str) -> type[Any]:
        """Return the class of a spec. Raises ``UnknownNameError``, or ``NotAvailableError`` if the import fails."""
        name = self.check(spec)
        if name in self.added:
            return self.added[name]
        if name in self.entry_points:
            return self._declared(name)
        return _with_name(self._module(name), name)

    def build(self, spec: str, **arguments: Any) -> Any:
        """Create an instance with the options of the spec and the keyword ``arguments``."""
        return construct(self.get(spec), self.kind, spec, arguments)

    def _declared(self, name: str) -> type[Any]:
        """Return the class of an entry point, which must have the name of the entry point."""
        point = self.entry_points[name]
        try:
            part_class = point.load()
        except BROKEN as error:
            raise NotAvailableError(
                f"the {self.kind} {name!r} cannot be imported: {reason(error)}"
            ) from error
        if not inspect.isclass(part_class) or getattr(part_class, "name", None) != name:
            raise NotAvailableError(
                f"{point.value}, an entry point, is not a class with name = {name!r}"
            )
        return part_class

    def _module(self, name: str) -> ModuleType:
        path = self.files[name]
        try:
            if self.home in path.parents:
                return importlib.import_module(f"{self.package}.{module_name(path)}")
            return _of_user(path)
        except BROKEN as error:
            raise NotAvailableError(
                f"the {self.kind} {name!r} cannot be imported: {reason(error)}"
            ) from error


METHODS = Registry("locus.methods", "method", variable=PLUGINS, group="locus.methods")
"""Heat-map methods: those of Locus, those in the folder of ``--plugins``, and those that other packages declare."""
DATASETS = Registry("locus.datasets", "data set")
PROTOCOLS = Registry("locus.scoring.protocols", "protocol")
CHECKS = Registry("locus.benchmark.checks", "check")
BASELINES = Registry("locus.benchmark.baselines", "baseline", any_name=True)


def build(
    builders: Mapping[str, Callable[..., Any]], kind: str, spec: str, **arguments: Any
) -> Any:
    """Create the part of a spec, as ``construct`` does. Raises ``UnknownNameError`` if ``builders`` does not have it.

    >>> build({"complex": complex}, "number", "complex:real=3", imag=4)
    (3+4j)
    """
    return construct(named(builders, kind, spec), kind, spec, arguments)


def named(parts_by_name: Mapping[str, T], kind: str, spec: str) -> T:
    """Return the part that a spec names. Raises ``UnknownNameError`` if ``parts_by_name`` does not have it."""
    name = spec.split(":")[0]
    if name not in parts_by_name:
        raise UnknownNameError(kind, name, [*parts_by_name])
    return parts_by_name[name]


def construct(builder: Callable[..., Any], kind: str, spec: str, arguments: dict[str, Any]) -> Any:
    """Build a part with the options of its spec.

    Args:
        builder: the class or function.
        kind: what it is, for errors: ``method``, ``data set`` …
        spec: the name with options: ``occlusion:window=32``.
        arguments: other options; those of ``spec`` override them.

    Returns:
        What ``builder`` returns.

    Raises:
        BadValueError: ``builder`` does not have an option, or ``spec`` gives one twice.
    """
    values = {**arguments, **options(spec)}
    parameters = inspect.signature(builder).parameters.values()
    allowed = [parameter.name for parameter in parameters if parameter.kind not in VARIADIC]
    for name in values:
        if name not in allowed:
            option_names = examples(allowed, 9) or "none"
            raise BadValueError(
                f"the {kind} {spec.split(':')[0]!r} has no option {name!r}; it has: {option_names}"
            )
    return builder(**values)


def validated(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option ``values``, checked and converted according to the annotations of ``function`` (1 becomes 1.0).

    Raises ``BadValueError`` with the value and what is allowed.
    """
    hints = get_type_hints(function, include_extras=True) if values else {}
    return {name: _validated(name, value, hints.get(name, Any)) for name, value in values.items()}


def _validated(name: str, value: Any, hint: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(
            value, strict=True
        )
    except ValidationError as error:
        allowed = " or ".join(
            problem["msg"].removeprefix("Input should be ") for problem in error.errors()
        )
        raise BadValueError(
            f"bad value {value!r} for the option {name!r}: it must be {allowed}"
        ) from error


def options(spec: str) -> dict[str, Any]:
    """Parse the options of a spec as Python literals.

    >>> options("LSE:gamma=5")
    {'gamma': 5}
    """
    _, _, text = spec.partition(":")
    values: dict[str, Any] = {}
    repeated = []
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise BadValueError(
                f"bad option {pair!r} in {spec!r}: write NAME:option=value,option=value"
            )
        if is_unusual_number(value):
            raise BadValueError(
                f"bad value {value!r} for the option {name!r}: use digits and a decimal point only"
            )
        if name in values:
            repeated.append(name)
        values[name] = _literal(value)
    if repeated:
        raise BadValueError(f"{spec!r} gives the option {repeated[0]!r} twice: give it once")
    return values


def normalize_name(spec: str, registered_names: Collection[str]) -> str:
    """Return a spec with its name in the registered spelling; case, ``-``, ``_`` and spaces are ignored.

    >>> normalize_name("Grad-CAM++", ["gradcam", "gradcampp"])
    'gradcampp'
    """
    name, colon, option_text = spec.partition(":")
    if name in registered_names:
        return spec
    registered = {_bare(known_name): known_name for known_name in registered_names}
    return registered.get(_bare(name), name) + colon + option_text


@functools.lru_cache(maxsize=1024)
def _bare(name: str) -> str:
    return re.sub("[-_ ]", "", name.lower().replace("+", "p"))


def _with_name(module: ModuleType, name: str) -> type[Any]:
    for value in vars(module).values():
        if (
            inspect.isclass(value)
            and value.__module__ == module.__name__
            and value.__dict__.get("name") == name
        ):
            return value
    raise NotAvailableError(f"{module.__file__} does not define a class with name = {name!r}")


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
