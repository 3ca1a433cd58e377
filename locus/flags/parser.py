"""Argument parser of a command, built from its dataclass: one flag per field, grouped by the base classes.

The annotation of a field gives its type and constraints: ``Annotated[int, AtLeast(1)]``, ``Annotated[str,
Named("loss", ("bce", "ce"))]``. The docstring below a field is its help text. ``checked`` tests a value against the
constraints, and ``from_parser_message`` converts errors of jsonargparse to one-line errors.

The dataclasses are in ``locus.config``; YAML files and defaults are read by ``locus.flags.cli``.
"""

import ast
import dataclasses
import functools
import inspect
import itertools
import re
import sys
from argparse import SUPPRESS, Action, HelpFormatter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter

from locus.core.errors import BadValueError, LocusError, UnknownNameError, hint, one_line
from locus.core.names import duplicates
from locus.core.registry import Registry
from locus.core.startup import with_own_paths
from locus.core.user_code import runs_code

COMMAND_IN_TEXT = r"``(python [^`]*)``"
"""The command in the docstring of its configuration."""
TYPE_NAMES = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}
"""Type -> what a flag of this type takes."""


class CoreLoader(yaml.SafeLoader):
    """Loader of YAML 1.2's core schema, in which ``1:30`` and ``no`` are texts and ``010`` is 10; keys are unique."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - as in the base class

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node. Raises ``yaml.YAMLError`` for a key that is given twice."""
        content = super().construct_mapping(node, deep)
        if len(content) < len(node.value):
            keys = [self.construct_object(key) for key, _ in node.value]
            twice = f"the key {duplicates(keys)[0]!r} is given twice: keep one"
            raise yaml.constructor.ConstructorError(problem=twice, problem_mark=node.start_mark)
        return content


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    sign, digits = re.fullmatch(r"([-+]?)0*(.*)", node.value).groups()  # type: ignore[union-attr]
    return int(sign + (f"0{digits}" if digits[:1] in ("o", "x") else digits or "0"), 0)


CORE_SCHEMA = {
    "null": (r"~|null|Null|NULL|", None, "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", None, "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _number, "-+0123456789"),
    "float": (
        r"[-+]?((\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|\.(inf|Inf|INF))|\.nan",
        None,
        "-+.0123456789",
    ),
}
"""Type -> its texts, a function that parses them if PyYAML's own follows YAML 1.1, and their first letters."""
for kind, (pattern, parse_scalar, letters) in CORE_SCHEMA.items():
    first = [*letters, ""] if kind == "null" else list(letters)
    CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{kind}", re.compile(f"({pattern})$"), first
    )
    if parse_scalar:
        CoreLoader.add_constructor(f"tag:yaml.org,2002:{kind}", parse_scalar)


class AtLeast(NamedTuple):
    """Lower limit of a number."""

    limit: float


class AtMost(NamedTuple):
    """Upper limit of a number."""

    limit: float


@dataclass(frozen=True)
class Named:
    """Name of a part, with options if it has some; the files of the parts are not imported."""

    kind: str
    """Noun for a part in error messages (``method``)."""
    names: tuple[str, ...] = ()
    """Names that are allowed."""
    registry: Registry | None = None
    """Registry whose parts are allowed, too."""
    files: bool = False
    """Allow a class of a Python file, ``path/to/file.py:Class``."""

    def known(self) -> list[str]:
        """Return all names that the flag accepts."""
        return [*self.names, *(self.registry.names() if self.registry else ())]

    def normalize(self, name: str) -> str:
        """Return the registered spelling of a name."""
        return name


@functools.cache
def _annotations(config_class: Any, with_constraints: bool) -> dict[str, Any]:
    return get_type_hints(config_class, include_extras=with_constraints)


def type_of(config_class: Any, name: str) -> Any:
    """Return the type of the field ``name`` of ``config_class``, without constraints."""
    return _annotations(cast("Hashable", config_class), with_constraints=False)[name]


def constraints_of(config_class: Any, name: str) -> tuple[Any, ...]:
    """Return the constraints in the annotation of the field ``name`` of ``config_class``."""
    annotations = _annotations(cast("Hashable", config_class), with_constraints=True)
    return getattr(annotations[name], "__metadata__", ())


def choices(config_class: type[Any], name: str) -> str:
    """Return the end of a flag's help text: the registered names that it accepts."""
    for constraint in constraints_of(config_class, name):
        if isinstance(constraint, Named):
            return f" One of: {', '.join(constraint.known())}."
    return ""


def checked(config_class: type[Any], name: str, value: Any) -> Any:
    """Return a value, or each item of a tuple, in its registered spelling, checked against its annotation.

    Raises ``BadValueError`` or ``UnknownNameError``.
    """
    if value is None and type(None) not in get_args(type_of(config_class, name)):
        raise BadValueError(f"--{name} must not be null: give a value or leave the flag out")
    if value is None or isinstance(value, bool):
        return value
    constraints = constraints_of(config_class, name)
    if isinstance(value, tuple):
        return tuple(_checked_item(f"--{name}", constraints, item) for item in value)
    return _checked_item(f"--{name}", constraints, value)


def _checked_item(flag: str, constraints: Iterable[Any], value: Any) -> Any:
    for constraint in constraints:
        if isinstance(constraint, Named):
            value = constraint.normalize(value)
            name = value.split(":")[0]
            if name not in constraint.known() and not (constraint.files and runs_code(value)):
                also = "path/to/file.py:Class" if constraint.files else ""
                if also and constraint.registry is not None:
                    also += ", or --plugins FOLDER"
                raise UnknownNameError(constraint.kind, name, constraint.known(), also=also)
        if isinstance(constraint, AtLeast) and not value >= constraint.limit:
            raise BadValueError(f"{flag} {value} is too small: use {constraint.limit} or more")
        if isinstance(constraint, AtMost) and not value <= constraint.limit:
            raise BadValueError(f"{flag} {value} is too large: use {constraint.limit} or less")
    return value


def from_parser_message(config_class: type[Any], message: str) -> LocusError:
    """Convert the parser's ``message`` about ``config_class`` to an error with the flag and its allowed values."""
    names = [field.name for field in dataclasses.fields(config_class)]
    unrecognized = re.match(r"unrecognized arguments: (\S+)", message, re.IGNORECASE)
    if unrecognized:
        argument = unrecognized[1].partition("=")[0]
        if not argument.startswith("-"):
            return BadValueError(
                f"unexpected argument {argument!r}: arguments need a flag, such as --suite NAME"
            )
        advice = _near(config_class, argument.lstrip("-"), names)
        return BadValueError(
            f"unknown flag {argument!r}: {advice}{help_command(config_class)} lists all flags"
        )
    key = re.search(r'key "(\w+)"', message)
    if key and key[1] in names:
        values = re.findall(r"(?:Got|Given) value: (.*)", message)
        return _bad_value(
            f"--{key[1]}", values[-1] if values else "", get_type_hints(config_class)[key[1]]
        )
    return BadValueError(one_line(message))


def _near(config_class: type[Any], flag: str, names: Sequence[str]) -> str:
    """Return advice for an unknown flag: one that begins with or contains its word, the nearest, or its commands."""
    beginning = sorted((name for name in names if name.startswith(flag)), key=len)
    similar = [*beginning, *(name for name in names if flag in name.split("_"))]
    if similar:
        return f"did you mean '--{similar[0]}'? "
    advice = hint(flag, names).replace("'", "'--", 1)
    if advice:
        return advice
    commands: dict[str, None] = {}
    for other_class in vars(sys.modules[config_class.__module__]).values():
        if dataclasses.is_dataclass(other_class) and flag in {
            field.name for field in dataclasses.fields(other_class)
        }:
            command = re.search(COMMAND_IN_TEXT, other_class.__doc__ or "")
            if command:
                commands[f"`{command[1]}`"] = None
    return f"it is a flag of {' and '.join(commands)}; " if commands else ""


def help_command(config_class: type[Any]) -> str:
    """Return the help command of the dataclass ``config_class``, as named in its docstring."""
    command = re.search(COMMAND_IN_TEXT, config_class.__doc__ or "")
    return f"`{command[1]} --help`" if command else "--help"


def _bad_value(flag: str, value: str, allowed: Any) -> LocusError:
    """Return the error for a value that does not fit the annotation ``allowed``."""
    alternatives = get_args(allowed)
    literals = [
        literal for alternative in (allowed, *alternatives) for literal in get_args(alternative)
    ]
    literals = [literal for literal in literals if isinstance(literal, str)]
    if literals:
        return UnknownNameError(flag, value.strip("[]'\""), dict.fromkeys(literals))
    types = [alternative for alternative in alternatives or (allowed,) if alternative is not ...]
    type_names = [TYPE_NAMES.get(type_, str(type_)) for type_ in types]
    return BadValueError(f"bad value {value!r} for {flag}: use {' or '.join(type_names)}")


class PlainHelpFormatter(DefaultHelpFormatter):
    """Formatter that prints help texts without jsonargparse's notes on Python types."""

    def _get_help_string(self, action: Action) -> str:
        return action.help or ""


class Parser(ArgumentParser):
    """jsonargparse's parser with one-line errors."""

    config_class: type[Any]
    """Dataclass that defines the flags."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the ``LocusError`` for a parser error."""
        raise from_parser_message(self.config_class, message) from ex

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """Return the help. Texts are added only here, because parsing the docstrings is slow."""
        texts = {}
        for group in _groups(self.config_class):
            texts.update(_texts(self.config_class, group))
        hidden = getattr(self.config_class, "hidden", ())
        for action in self._actions:
            action.help = SUPPRESS if action.dest in hidden else texts.get(action.dest, action.help)
        return with_own_paths(super().format_help(formatter))


@functools.cache
def parser_of(config_class: type[Any], prog: str) -> Parser:
    """Return a parser with a flag for each field of ``config_class``, and ``--config`` if ``prog`` is given."""
    description = re.sub(
        r": ``python [^`]*``", "", inspect.cleandoc(config_class.__doc__ or "")
    ).replace("``", "")
    parser = Parser(
        prog=prog or None,
        usage="%(prog)s [--flag value ...]",
        description=description,
        allow_abbrev=False,
        formatter_class=PlainHelpFormatter,
    )
    parser.config_class = config_class
    if prog:
        text = (
            "YAML file with flag values. Flags on the command line take precedence. (default: none)"
        )
        parser.add_argument("--config", type=str, help=text)
    hints = get_type_hints(config_class)
    for group in _groups(config_class):
        section = parser.add_argument_group(_title(config_class, group))
        for name in inspect.get_annotations(group):
            value_type = hints[name]
            settings: dict[str, Any] = {}
            if get_origin(value_type) is tuple:
                value_type = get_args(value_type)[0]
                settings = {"nargs": "+", "metavar": name.upper()}
            elif bool in (value_type, *get_args(value_type)):
                settings = {"nargs": "?", "const": True}  # a bare --flag means True
                if value_type is bool:
                    settings["metavar"] = "{True,False}"
            default = getattr(config_class, name)
            section.add_argument(f"--{name}", type=value_type, default=default, help="", **settings)
    return parser


def _groups(config_class: type[Any]) -> list[type[Any]]:
    """Return the classes that declare fields of ``config_class``: its last base first, indirect bases at the end."""
    classes = dict.fromkeys(
        (config_class, *reversed(config_class.__bases__), *config_class.__mro__)
    )
    return [group for group in classes if inspect.get_annotations(group)]


def _title(config_class: type[Any], group: type[Any]) -> str:
    return "Flags" if group is config_class else inspect.cleandoc(group.__doc__ or "").rstrip(".")


def _texts(config_class: type[Any], group: type[Any]) -> dict[str, str]:
    """Return the help texts of the fields of one base class of ``config_class``, with choices and defaults."""
    docs = _docs(sys.modules[group.__module__].__file__ or "")[group.__name__]
    texts = {}
    for name in inspect.get_annotations(group):
        if name in docs:
            default = _default(docs[name], getattr(config_class, name))
            texts[name] = docs[name] + choices(config_class, name) + default
    return texts


@functools.cache
def _docs(file: str) -> dict[str, dict[str, str]]:
    """Return class -> field -> the docstring below the field, for all classes in a Python file."""
    classes = (
        node for node in ast.parse(Path(file).read_bytes()).body if isinstance(node, ast.ClassDef)
    )
    return {node.name: dict(_documented(node)) for node in classes}


def _documented(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in itertools.pairwise(node.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(str(text))):
                yield name, inspect.cleandoc(text)


def _default(text: str, value: Any) -> str:
    """Return the end of a help text: the default as a user would type it; empty if the ``text`` states it.

    >>> _default("Plot the results.", True), _default("Folder. Default: data.", None)
    (' (default: True)', '')
    """
    if re.search(r"\b(Default( for [^:]+)?:|Required\.)", text):
        return ""
    values = value if isinstance(value, tuple) else (value,)
    typed = " ".join("" if item is None else str(item) for item in values)
    return f" (default: {typed or 'none'})"
