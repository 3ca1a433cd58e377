"""One-line versions of jsonargparse's errors."""

import dataclasses
import re
from typing import Any, get_args, get_type_hints

from core.errors import BadValueError, LocusError, UnknownNameError, hint, one_line


def from_parser_message(config_class: type[Any], message: str) -> LocusError:
    """Convert the parser's ``message`` about ``config_class`` to an error with the flag and its allowed values."""
    names = [field.name for field in dataclasses.fields(config_class)]
    if match := re.match(r"unrecognized arguments: (\S+)", message, re.IGNORECASE):
        word = match[1].partition("=")[0]
        if not word.startswith("-"):
            return BadValueError(f"unexpected argument {word!r}: arguments need a flag, such as --suite NAME")
        near = hint(word.lstrip("-"), names).replace("'", "'--", 1)
        return BadValueError(f"unknown flag {word!r}: {near}{help_command(config_class)} lists all flags")
    if (match := re.search(r'key "(\w+)"', message)) and match[1] in names:
        value = re.findall(r"(?:Got|Given) value: (.*)", message)
        return _bad_value(f"--{match[1]}", value[-1] if value else "", get_type_hints(config_class)[match[1]])
    return BadValueError(one_line(message))


def help_command(config_class: type[Any]) -> str:
    """Return the help command of the dataclass ``config_class``, as named in its docstring."""
    command = re.search(r"``(python [^`]*)``", config_class.__doc__ or "")
    return f"`{command[1]} --help`" if command else "--help"


def _bad_value(flag: str, value: str, allowed: Any) -> LocusError:
    words = [str(word) for part in (allowed, *get_args(allowed)) for word in get_args(part) if isinstance(word, str)]
    if words:
        return UnknownNameError(flag, value.strip("[]'\""), dict.fromkeys(words))
    takes = {bool: "True or False", int: "a whole number", float: "a number", str: "text", type(None): "null"}
    parts = [takes.get(part, str(part)) for part in (get_args(allowed) or (allowed,)) if part is not ...]
    return BadValueError(f"bad value {value!r} for {flag}: use {' or '.join(parts)}")
