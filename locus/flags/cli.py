"""Command line of every command: report user errors on one line, and build a configuration from flags and YAML files.

A command decorates its ``main`` with ``entry_point`` and calls ``parse`` with its frozen dataclass from
``locus.config``. A value comes from the command line, else from the ``--config`` file, else from
``configs/<dataset>.yaml``, else from the dataclass. ``build`` makes a configuration from plain values, for example
those of a record. ``say`` prints output.

The parser of the flags and the constraints in their annotations are in ``locus.flags.parser``.
"""

import copy
import dataclasses
import functools
import itertools
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml

from locus.core import startup
from locus.core.errors import BadValueError, DataError, LocusError, hint, one_line, printable
from locus.core.names import SPELLED, duplicates, is_unusual_number
from locus.core.registry import PLUGINS
from locus.core.startup import ROOT
from locus.core.user_code import refuse_code
from locus.flags.parser import CoreLoader, checked, help_command, parser_of, type_of

MAX_ERROR_LENGTH = 4000
"""Maximum number of characters of an error; quoted file contents may be of any length."""
SMALLER = "close other programs, or use smaller images, maps or batches"
log = logging.getLogger(__name__)
CONFIGS = next(
    above.resolve() for above in (ROOT / "locus/configs", ROOT / "configs") if above.is_dir()
)
"""Folder of the presets; ``configs/<dataset>.yaml`` has the defaults of a data set. In a checkout it is a link."""

ON_COMMAND_LINE = ("trust", "plugins")
"""Flags that a file must not set, because they let code run."""
MAX_YAML_BYTES = 1_000_000
"""Maximum number of bytes and of values in a YAML file."""

C = TypeVar("C")


def entry_point(main: Callable[[Sequence[str] | None], int | None]) -> Callable[..., int]:
    """Decorate ``main(argv)`` of a command: print a user error as one line on stderr and return exit status 2.

    Without an error, the return value of ``main`` is the exit status; None is 0.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        startup.raise_again()
        os.environ.setdefault(
            "OMP_WAIT_POLICY", "PASSIVE"
        )  # spinning threads make a busy machine many times slower
        _prepare_output()
        try:
            return main(argv) or 0
        except LocusError as error:
            return _report(str(error), 2)
        except KeyboardInterrupt as stop:  # with advice, if the command continues where it stopped
            return _report(": ".join(["interrupted", *map(str, stop.args)]), startup.INTERRUPTED)
        except MemoryError as error:
            return _report(f"out of memory ({one_line(error) or 'no details'}): {SMALLER}", 2)
        except RuntimeError as error:
            if not _is_torch_out_of_memory(error):
                raise
            return _report(f"out of memory ({one_line(error)[:100]}): {SMALLER}", 2)
        except OSError as error:
            return _report(f"{error.filename or 'the disk'}: {error.strerror or error}", 2)

    return run


def say(text: str) -> None:
    """Print lines of output, with terminal control characters escaped.

    Exits quietly when the reader closes the pipe (``| head``).
    """
    try:
        print(printable(startup.with_own_paths(text)), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(128 + signal.SIGPIPE) from None


class PrintableFormatter(logging.Formatter):
    """Log formatter that keeps each argument, which may come from an untrusted file, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message with each string, path and error among its arguments on one printable line."""
        record = copy.copy(record)
        if isinstance(record.args, tuple):
            record.args = tuple(
                one_line(a) if isinstance(a, str | Path | Exception) else a for a in record.args
            )
        return printable(startup.with_own_paths(super().format(record)))


def _prepare_output() -> None:
    """Log to stderr, and escape characters that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger().setLevel(logging.INFO)  # basicConfig does nothing if handlers exist
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setFormatter(PrintableFormatter())


def _is_torch_out_of_memory(error: RuntimeError) -> bool:
    """Return whether torch ran out of memory, without importing torch."""
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)


def _report(sentence: str, status: int) -> int:
    """Write an error to stderr, shortened to ``MAX_ERROR_LENGTH``, and return the exit status."""
    line = one_line(startup.with_own_paths(sentence))
    if len(line) > MAX_ERROR_LENGTH:
        line = f"{line[:MAX_ERROR_LENGTH]} … ({len(line):,} characters)"
    sys.stderr.write(f"error: {line}\n")
    return status


def parse(config_class: type[C], argv: Sequence[str] | None, prog: str) -> tuple[C, frozenset[str]]:
    """Parse a command line; return the configuration and the flags set there or in the ``--config`` file.

    ``argv``: None is ``sys.argv``. Raises ``LocusError`` for an unknown flag, file, name or value. ``--help`` prints
    the help and exits.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    _check_arguments(config_class, arguments)
    typed = dict(vars(parser_of(config_class, prog).parse_args(arguments, defaults=False)))  # type: ignore[arg-type]
    path = typed.pop("config", None)
    file_values = read_yaml(Path(path)) if path else {}
    for name in ON_COMMAND_LINE:
        if name in file_values:
            raise BadValueError(
                f"{path} sets {name}, which is allowed only on the command line: use --{name} there"
            )
    if "plugins" in typed:
        os.environ[PLUGINS] = str(Path(typed["plugins"]).absolute())
    if not typed.get("trust"):
        for value in file_values.values():
            refuse_code(value if isinstance(value, list) else [value], path)
    chosen = {**file_values, **typed}
    defaults = defaults_of(config_class, chosen)
    config = build(config_class, {**defaults, **chosen})
    defaults_text = ", ".join(
        f"{name} {value}" for name, value in defaults.items() if name not in chosen
    )
    if defaults_text and "resume" not in chosen:  # a resumed run keeps its own values
        log.info(
            "defaults from configs/%s.yaml: %s", _data_set(config_class, chosen), defaults_text
        )
    return config, frozenset(chosen)


def _check_arguments(config_class: type[Any], arguments: Sequence[str]) -> None:
    """Raise ``BadValueError`` for arguments that are not UTF-8, repeated flags and unusual numbers."""
    _require_utf8(arguments)
    flags = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    repeated = duplicates(flags)
    if repeated:
        raise BadValueError(f"{repeated[0]} is given twice: give it once")
    flags_and_values = []
    for argument in arguments:
        flags_and_values += argument.split("=", 1) if argument.startswith("--") else [argument]
    for flag, value in itertools.pairwise(flags_and_values):
        _refuse_unusual_numbers(config_class, flag.removeprefix("--"), value)


def _refuse_unusual_numbers(config_class: type[Any], name: str, value: object) -> None:
    """Raise ``BadValueError`` for a text that only some programs read as a number.

    YAML 1.1, which jsonargparse follows, reads 1:30 as 90, and Python reads 1_0 as 10.
    """
    if name not in {field.name for field in dataclasses.fields(config_class)} or not isinstance(
        value, str
    ):
        return
    allowed = type_of(config_class, name)
    takes_text = str in (allowed, *get_args(allowed))
    is_base_60 = re.fullmatch(r"[-+]?\d[\d.]*([:_]+[\d.]*)+", value) is not None
    if not takes_text and (is_base_60 or is_unusual_number(value)):
        raise BadValueError(
            f"bad value {value!r} for --{name}: use a number with digits and a decimal point only"
        )


def _require_utf8(arguments: Sequence[str]) -> None:
    """Raise ``BadValueError`` for an argument that is not UTF-8, because tables and records could not store it."""
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            advice = "rename the file or folder, or use another terminal encoding"
            raise BadValueError(f"{argument!r} is not UTF-8: {advice}")


def first_as_flag(name: str, argv: Sequence[str] | None) -> list[str]:
    """Insert the flag ``name`` in front of a command line that does not start with a flag.

    >>> first_as_flag("--run", ["mine", "--by", "me"]), first_as_flag("--run", ["--by", "me"])
    (['--run', 'mine', '--by', 'me'], ['--by', 'me'])
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and not arguments[0].startswith("-"):
        return [name, *arguments]
    return arguments


def build(config_class: type[C], values: Mapping[str, Any]) -> C:
    """Build a configuration from plain ``values`` (of a YAML file, record or checkpoint) and check all of them.

    Raises ``BadValueError`` or ``UnknownNameError`` with the flag, the value and the allowed values.
    """
    field_names = [field.name for field in dataclasses.fields(config_class)]  # type: ignore[arg-type]
    for name in values:
        if name not in field_names:
            advice = f"{hint(name, field_names)}{help_command(config_class)} lists all of them"
            raise BadValueError(f"unknown option {name!r}: {advice}")
    checked_values = {}
    for name, value in values.items():
        checked_values[name] = _checked(config_class, name, _FlagValue(repr(value), value))  # type: ignore[arg-type]
    return config_class(**checked_values)


@dataclasses.dataclass(frozen=True)
class _FlagValue:
    """Value of a flag, hashed and compared by its text."""

    text: str
    value: Any = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=4096)
def _checked(config_class: type[Any], name: str, flag_value: _FlagValue) -> Any:
    """Parse and check the value of a flag; cached, because many models of a suite have the same value."""
    value = flag_value.value
    _refuse_unusual_numbers(config_class, name, value)
    takes_list = get_origin(type_of(config_class, name)) is tuple
    if (
        takes_list and value is not None
    ):  # a single word, as in the YAML line ``logger: csv``, is a list of one
        value = list(value) if isinstance(value, list | tuple) else [value]
    parsed = parser_of(config_class, "").parse_object({name: value}, defaults=False)[name]  # type: ignore[arg-type]
    if takes_list and parsed is not None:
        parsed = tuple(parsed)
    return checked(config_class, name, parsed)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. Raises ``DataError`` if it is missing, broken or not a mapping."""
    if not path.is_file():
        presets = ", ".join(sorted(preset.name for preset in CONFIGS.glob("*.yaml")))
        raise DataError(f"file {str(path)!r} not found; presets in configs/: {presets}")
    if path.stat().st_size > MAX_YAML_BYTES:
        raise DataError(
            f"{path} has {path.stat().st_size:,} bytes; the limit is {MAX_YAML_BYTES:,}"
        )
    try:
        content = copy.deepcopy(_loaded(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise DataError(f"{path} is not valid YAML: {_yaml_problem(error)}") from error
    if not isinstance(content or {}, dict):
        raise DataError(
            f"{path} contains a {type(content).__name__}, not a mapping: write one 'flag: value' per line"
        )
    return {str(name): value for name, value in (content or {}).items()}


def _yaml_problem(error: Exception) -> str:
    """Describe a YAML error, with line and column if available."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return one_line(error)
    problem = (
        getattr(error, "problem", None) or getattr(error, "context", None) or "it cannot be parsed"
    )
    return f"line {mark.line + 1}, column {mark.column + 1}: {one_line(problem)}"


@functools.lru_cache(maxsize=32)
def _loaded(text: str) -> Any:
    """Parse YAML text; cached, because a suite of many models reads the same preset repeatedly.

    Raises ``ValueError`` if aliases (``*name``) expand it beyond ``MAX_YAML_BYTES`` values.
    """
    content = yaml.load(text, CoreLoader)
    todo = [content]
    count = 0
    while todo:
        item = todo.pop()
        count += 1
        if isinstance(item, list):
            todo += item
        elif isinstance(item, dict):
            todo += item.values()
        if count > MAX_YAML_BYTES:
            raise ValueError("its aliases expand to too many values")
    return content


def defaults_of(config_class: type[Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in ``configs/<dataset>.yaml`` for the ``chosen`` data set, or the default one.

    Presets are for training: a class with ``trains = False`` gets only the flags that it has, and one with
    ``uses_presets = False`` none.
    """
    if not getattr(config_class, "uses_presets", True):
        return {}
    path = CONFIGS / f"{_data_set(config_class, chosen)}.yaml"
    preset = read_yaml(path) if path.is_file() else {}
    field_names = [field.name for field in dataclasses.fields(config_class)]
    trains = getattr(config_class, "trains", True)
    return {name: value for name, value in preset.items() if trains or name in field_names}


def _data_set(config_class: type[Any], chosen: Mapping[str, Any]) -> str:
    name = str(chosen.get("dataset", getattr(config_class, "dataset", ""))).split(":")[0]
    return SPELLED.get(name, name)
