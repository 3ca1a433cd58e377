"""The parser behind a door: one flag per field, grouped by the classes that the dataclass inherits."""

import dataclasses
import functools
import inspect
import json
from argparse import HelpFormatter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from docstring_parser import parse_from_object
from jsonargparse import ArgumentParser

from core.cli.marks import choices
from core.cli.sentences import sentence
from core.errors import BadValueError


class Parser(ArgumentParser):
    """jsonargparse's parser, whose several lines of error become one sentence."""

    kind: type[Any]
    """The dataclass that the flags come from."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the ``LocusError`` that says it."""
        raise sentence(self.kind, message) from ex

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """The help. The flags' texts are read now: they take their time, and nobody else asks for them."""
        texts = {name: text for part, _ in _groups(self.kind) for name, text in _texts(self.kind, part).items()}
        for action in self._actions:
            action.help = texts.get(action.dest, action.help)
        return super().format_help(formatter)


def parser_of(kind: type[Any], prog: str) -> Parser:
    """A parser with a flag for each field of ``kind``, and ``--config`` where ``prog`` names a program."""
    return _made(kind, prog)  # type: ignore[arg-type]  # a class is hashable


@functools.cache
def _made(kind: type[Any], prog: str) -> Parser:
    description = inspect.cleandoc(kind.__doc__ or "").replace("``", "")
    if "dataset" in get_type_hints(kind):
        usual = "those of a data set without configs/<dataset>.yaml, which changes them"
        description += f" The defaults shown here are {usual}."
    parser = Parser(prog=prog or None, usage="%(prog)s [--flag value ...]", description=description, allow_abbrev=False)
    parser.kind = kind
    if prog:
        parser.add_argument("--config", type=str, help="YAML file of flags and values; flags typed here win")
    hints = get_type_hints(kind)
    for part, fields in _groups(kind):
        section = parser.add_argument_group(_title(kind, part))
        for field in fields:
            several: dict[str, Any] = {"metavar": "WORD [WORD ...]"} if _is_list(hints[field.name]) else {}
            about = {"type": hints[field.name], "default": field.default, "help": "", **several}
            section.add_argument(f"--{field.name}", **about)
    return parser


def _groups(kind: type[Any]) -> Iterator[tuple[type[Any], list["dataclasses.Field[Any]"]]]:
    """Each class that ``kind`` is made of and its fields, in the order of the fields."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for part in reversed(kind.__mro__[:-1]):
        if named := [fields[name] for name in inspect.get_annotations(part)]:
            yield part, named


def _title(kind: type[Any], part: type[Any]) -> str:
    return "Flags" if part is kind else inspect.cleandoc(part.__doc__ or "").rstrip(".")


def _texts(kind: type[Any], part: type[Any]) -> dict[str, str]:
    """The help texts of the fields of a class that ``kind`` is made of."""
    docs = {doc.arg_name: doc.description or "" for doc in parse_from_object(part).params}
    return {name: (docs[name] + choices(kind, name)).replace("%", "%%") for name in inspect.get_annotations(part)}


def _is_list(hint: Any) -> bool:
    return tuple in (get_origin(hint), *map(get_origin, get_args(hint)))


def listed(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The ``values`` with a bare word of a list's flag as a list of that word, as in YAML's ``logger: csv``."""
    hints = get_type_hints(kind)
    alone = {name: [value] for name, value in values.items() if isinstance(value, str) and _is_list(hints[name])}
    return {**values, **alone}


def joined(kind: type[Any], argv: Sequence[str]) -> list[str]:
    """Several words of a list's flag as one: ``--method a b`` becomes ``--method ["a", "b"]``; a bare switch is True.

    Raises ``BadValueError`` for a list's flag without a word.
    """
    switches = {f"--{name}" for name, hint in get_type_hints(kind).items() if bool in (hint, *get_args(hint))}
    lists = {f"--{name}" for name, hint in get_type_hints(kind).items() if _is_list(hint)}
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
