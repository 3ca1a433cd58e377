"""Decorator of entry points that reports user errors on one line instead of a traceback."""

import copy
import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core import interrupts
from core.errors import LocusError, one_line, printable
from core.gc_control import gc_skipped_at_exit

LONGEST = 4000
"""Maximum number of characters of an error; quoted file contents may be of any length."""
SMALLER = "close other programs, or use smaller images, maps or batches"


def entry_point(main: Callable[[Sequence[str] | None], int | None]) -> Callable[..., int]:
    """Decorate ``main(argv)`` of a command: print a user error as one line on stderr and return exit status 2.

    Without an error, the return value of ``main`` is the exit status; None is 0.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        interrupts.raise_again()
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads make a busy machine many times slower
        gc_skipped_at_exit()
        _prepare_output()
        try:
            return main(argv) or 0
        except LocusError as error:
            return _report(str(error), 2)
        except KeyboardInterrupt:
            return _report("interrupted", interrupts.INTERRUPTED)
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
        print(printable(text), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(128 + signal.SIGPIPE) from None


class PrintableFormatter(logging.Formatter):
    """Log formatter that keeps each argument, which may come from an untrusted file, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message with each string, path and error among its arguments on one printable line."""
        record = copy.copy(record)
        if isinstance(record.args, tuple):
            record.args = tuple(one_line(a) if isinstance(a, str | Path | Exception) else a for a in record.args)
        return printable(super().format(record))


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
    line = one_line(sentence)
    more = f" … ({len(line):,} characters)" if len(line) > LONGEST else ""
    sys.stderr.write(f"error: {line[:LONGEST]}{more}\n")
    return status
