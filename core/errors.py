"""Errors that reach a user, each one clear sentence: what was wrong and its value, what is allowed, what to do."""

import difflib
import signal
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


LONGEST_NAME = 200
"""Letters of a word that may be a misspelled name: the search for the nearest grows with the square."""


class LocusError(Exception):
    """Base of every error that an entry point prints as one sentence before it exits with status 2."""


class BadValueError(LocusError):
    """A flag, an option or an argument has a value that is not allowed."""


class DataError(LocusError):
    """A file or a folder of the user is absent, broken or contradicts itself."""


class WriteError(DataError):
    """The disk refuses: full, read-only, no permission."""


class LeakError(DataError):
    """Training data and test data share what they must not share."""


class HeldError(LocusError):
    """Another process is at what only one may be at."""


class NotAvailableError(LocusError):
    """A combination that has no answer (a method that needs another pooling, data that is not there)."""


class UnknownNameError(LocusError):
    """A name that nobody registered; names the nearest and all the known ones.

    >>> str(UnknownNameError("method", "chexpert", ["cam", "gradcampp"]))
    "unknown method 'chexpert'; known: cam, gradcampp"
    >>> str(UnknownNameError("method", "gradcamp", ["cam", "gradcampp"]))
    "unknown method 'gradcamp': did you mean 'gradcampp'? Known: cam, gradcampp"
    """

    def __init__(
        self, kind: str, value: object, known: Iterable[object], near: Iterable[str] = (), also: str = ""
    ) -> None:
        """Write the sentence: ``kind`` (method, pooling …), the ``value`` as typed and the ``known`` names.

        ``near``: allowed names that are too many to list but may be what was meant; ``also``: all those in a few words.
        """
        names = [str(name) for name in known]
        meant = hint(str(value), [*names, *near]).rstrip()
        listing = ", ".join(names) + (f"; also {also}" if also else "")
        known_names = f": {meant} Known: {listing}" if meant else f"; known: {listing}"
        super().__init__(f"unknown {kind} {str(value)!r}{known_names}")


def hint(value: str, known: Iterable[str]) -> str:
    """``did you mean …? `` with the nearest known name, or nothing when none is near (case is ignored)."""
    if len(value) > LONGEST_NAME:
        return ""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[near[0]]!r}? " if near else ""


def one_line(text: object) -> str:
    r"""Return an error's message, or any text, on one printable line: single spaces, no line breaks.

    >>> one_line("expected <block end>\n  in line 2")
    'expected <block end> in line 2'
    """
    return printable(" ".join(str(text).split()))


def printable(text: object) -> str:
    r"""Return ``text`` with everything escaped that a terminal would obey instead of show, except line breaks.

    That is control characters, invisible characters, characters that change the direction of the text, and bytes of a
    file name that are not UTF-8.

    >>> printable("\x1b[2Jmass\u202egnp.exe\nnodule")
    '\\x1b[2Jmass\\u202egnp.exe\nnodule'
    """
    return "".join(c if c == "\n" or is_shown(c) else c.encode("unicode_escape").decode() for c in str(text))


def is_shown(text: str) -> bool:
    r"""Whether a terminal shows all of ``text`` as it is: no control, invisible or direction-changing characters.

    >>> is_shown("a\u00a0b"), is_shown("a\nb"), is_shown("\u202eb")
    (True, False, False)
    """
    return all(c.isprintable() or unicodedata.category(c) == "Zs" for c in text)


def first_problem(error: "ValidationError") -> tuple[str, str]:
    """The first field that pydantic refused, dotted (empty where the whole is wrong), and what it says of it."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"]


def killed(code: int, advice: str) -> str:
    """What a process with the exit ``code`` below 0 died of: the signal, and what to try where memory was short.

    >>> killed(-9, "try fewer --jobs")
    'was killed (SIGKILL), perhaps for want of memory: try fewer --jobs'
    """
    return f"was killed ({signal.Signals(-code).name}), perhaps for want of memory: {advice}"


def examples(items: Iterable[object], most: int = 3) -> str:
    """The first ``most`` items in words, and how many more there are.

    >>> examples(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    names = [str(item) for item in items]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
