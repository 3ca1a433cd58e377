"""Argument parser of a command: one flag per field, grouped by the base classes of the dataclass."""

import functools
import inspect
import re
from argparse import SUPPRESS, Action, HelpFormatter
from collections.abc import Iterator
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from docstring_parser import parse_from_object
from jsonargparse import ArgumentParser, DefaultHelpFormatter

from core.cli.constraints import choices
from core.cli.error_messages import from_parser_message


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
        parts = _groups(self.config_class)
        texts = {name: text for part in parts for name, text in _texts(self.config_class, part).items()}
        hidden = getattr(self.config_class, "hidden", ())
        for action in self._actions:
            action.help = SUPPRESS if action.dest in hidden else texts.get(action.dest, action.help)
        return super().format_help(formatter)


@functools.cache
def parser_of(config_class: type[Any], prog: str) -> Parser:
    """Return a parser with a flag for each field of ``config_class``, and ``--config`` if ``prog`` is given."""
    description = re.sub(r": ``python [^`]*``", "", inspect.cleandoc(config_class.__doc__ or "")).replace("``", "")
    parser = Parser(
        prog=prog or None, usage="%(prog)s [--flag value ...]", description=description, allow_abbrev=False,
        formatter_class=PlainHelpFormatter,
    )  # fmt: skip
    parser.config_class = config_class
    if prog:
        text = "YAML file with flag values. Flags on the command line take precedence. (default: none)"
        parser.add_argument("--config", type=str, help=text)
    hints = get_type_hints(config_class)
    for part in _groups(config_class):
        section = parser.add_argument_group(_title(config_class, part))
        for name in inspect.get_annotations(part):
            kind, settings = hints[name], dict[str, Any]()
            if get_origin(kind) is tuple:
                kind, settings = get_args(kind)[0], {"nargs": "+", "metavar": name.upper()}
            elif bool in (kind, *get_args(kind)):  # a bare --flag means True
                settings = {"nargs": "?", "const": True} | ({"metavar": "{True,False}"} if kind is bool else {})
            section.add_argument(f"--{name}", type=kind, default=getattr(config_class, name), help="", **settings)
    return parser


def _groups(config_class: type[Any]) -> list[type[Any]]:
    """Return the classes that declare fields of ``config_class``: its last base first, indirect bases at the end."""
    ranked = sorted(_declaring(config_class, 0), key=lambda item: item[0])
    return list(dict.fromkeys(part for _, part in ranked))


def _declaring(part: type[Any], depth: int) -> Iterator[tuple[int, type[Any]]]:
    """Yield the class and its bases that declare fields, each with the number of such classes below it."""
    declares = bool(inspect.get_annotations(part))
    if declares:
        yield depth, part
    for base in reversed(part.__bases__):
        yield from _declaring(base, depth + declares)


def _title(config_class: type[Any], part: type[Any]) -> str:
    return "Flags" if part is config_class else inspect.cleandoc(part.__doc__ or "").rstrip(".")


def _texts(config_class: type[Any], part: type[Any]) -> dict[str, str]:
    """Return the help texts of the fields of one base class of ``config_class``, with choices and defaults."""
    docs = {doc.arg_name: doc.description or "" for doc in parse_from_object(part).params}
    return {
        name: docs[name] + choices(config_class, name) + _default(docs[name], getattr(config_class, name))
        for name in inspect.get_annotations(part)
        if name in docs
    }


def _default(text: str, value: Any) -> str:
    """Return the end of a help text: the default as a user would type it; empty if the ``text`` states it.

    >>> _default("Plot the results.", True), _default("Folder. Default: data.", None)
    (' (default: True)', '')
    """
    if re.search(r"\b(Default( for [^:]+)?:|Required\.)", text):
        return ""
    words = " ".join(map(str, value)) if isinstance(value, tuple) else str("" if value is None else value)
    return f" (default: {words or 'none'})"
