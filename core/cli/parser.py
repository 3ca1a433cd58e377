"""Argument parser of a command: one flag per field, grouped by the base classes of the dataclass."""

import dataclasses
import functools
import inspect
import json
import re
from argparse import SUPPRESS, Action, HelpFormatter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from docstring_parser import parse_from_object
from jsonargparse import ArgumentParser, DefaultHelpFormatter

from core.cli.constraints import choices
from core.cli.error_messages import from_parser_message
from core.errors import BadValueError


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
        parts = (part for part, _ in _groups(self.config_class))
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
        text = "YAML file with values of flags. Flags on the command line take precedence. (default: none)"
        parser.add_argument("--config", type=str, help=text)
    hints = get_type_hints(config_class)
    for part, fields in _groups(config_class):
        section = parser.add_argument_group(_title(config_class, part))
        for field in fields:
            kind, word = hints[field.name], field.name.upper()
            settings: dict[str, Any] = {"type": kind, "default": field.default, "help": ""}
            if kind is bool or _is_list(kind):
                settings["metavar"] = "{True,False}" if kind is bool else f"{word} [{word} ...]"
            section.add_argument(f"--{field.name}", **settings)
    return parser


def _groups(config_class: type[Any]) -> Iterator[tuple[type[Any], list["dataclasses.Field[Any]"]]]:
    """Yield each base class of ``config_class`` with its fields: the last base first, indirect bases at the end."""
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    parts, level = dict[type[Any], None](), _with_fields(config_class, fields)
    while level:
        parts |= dict.fromkeys(level)
        level = [part for one in level for base in reversed(one.__bases__) for part in _with_fields(base, fields)]
    for part in parts:
        yield part, [fields[name] for name in inspect.get_annotations(part) if name in fields]


def _with_fields(part: type[Any], fields: Collection[str]) -> list[type[Any]]:
    """Return the class if it declares any of the ``fields``, else its bases that do, the last one first."""
    if any(name in fields for name in inspect.get_annotations(part)):
        return [part]
    return [one for base in reversed(part.__bases__) for one in _with_fields(base, fields)]


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
    """Return the end of a help text: the default as it is typed, unless the ``text`` describes it.

    >>> _default("Plot the results.", True), _default("Folder. Default: data.", None)
    (' (default: True)', '')
    """
    if re.search(r"\b(Default:|Required\.)", text):
        return ""
    words = " ".join(map(str, value)) if isinstance(value, tuple) else str("" if value is None else value)
    return f" (default: {words or 'none'})"


def _is_list(hint: Any) -> bool:
    return tuple in (get_origin(hint), *map(get_origin, get_args(hint)))


def wrap_bare_words(config_class: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap single words of list flags in a list, as in the YAML line ``logger: csv``."""
    hints = get_type_hints(config_class)
    wrapped = {name: [value] for name, value in values.items() if isinstance(value, str) and _is_list(hints[name])}
    return {**values, **wrapped}


def join_lists(config_class: type[Any], argv: Sequence[str]) -> list[str]:
    """Join the values of list flags (``--method a b`` becomes ``--method ["a", "b"]``) and set bare switches to true.

    Raises ``BadValueError`` for a list flag without a value.
    """
    switches = {f"--{name}" for name, hint in get_type_hints(config_class).items() if bool in (hint, *get_args(hint))}
    lists = {f"--{name}" for name, hint in get_type_hints(config_class).items() if _is_list(hint)}
    words, rest = [], list(argv)
    while rest:
        words.append(rest.pop(0))
        if words[-1] in switches and (not rest or rest[0].startswith("--")):
            words.append("true")
        if words[-1] in lists:
            end = next((i for i, word in enumerate(rest) if word.startswith("--")), len(rest))
            if not end:
                raise BadValueError(f"{words[-1]} needs at least one value")
            words.append(json.dumps(rest[:end]))
            rest = rest[end:]
    return words
