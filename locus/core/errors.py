"""User errors. Each message is one sentence: the problem, the value, what is allowed, what to do."""

import difflib
import importlib.util
import signal
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


MAX_NAME_LENGTH = 200
"""Maximum length of a name for which the nearest name is searched, in quadratic time."""


class Terminated(BaseException):
    """Raised by SIGTERM. It is not ``SystemExit``, which counts as an error of a method's code."""


class LocusError(Exception):
    """Base of all errors that an entry point prints on one line before it exits with status 2."""


class BadValueError(LocusError):
    """A flag, option or argument has an invalid value."""


class DataError(LocusError):
    """A file or folder of the user is missing, broken or inconsistent."""


class NoImagesError(DataError):
    """A split of a data set has no images."""


class EmptySplitError(NoImagesError):
    """The tables of a data set list no image of a split, as those of a test set without training images."""


class WriteError(DataError):
    """A file cannot be written: disk full, read-only, no permission."""


class LeakError(DataError):
    """Training and test data overlap."""


class HeldError(LocusError):
    """Another process holds an exclusive lock."""


class NotAvailableError(LocusError):
    """A combination is not supported (a method that needs another pooling), or data or a library is missing."""


class UnknownNameError(LocusError):
    """A name is not registered. The message contains the nearest name and all allowed names.

    >>> str(UnknownNameError("method", "chexpert", ["cam", "gradcampp"]))
    "unknown method 'chexpert'; known: cam, gradcampp"
    >>> str(UnknownNameError("method", "gradcamp", ["cam", "gradcampp"]))
    "unknown method 'gradcamp': did you mean 'gradcampp'? Known: cam, gradcampp"
    >>> str(UnknownNameError("--format", "voc", ["coco"]))
    "unknown value 'voc' for --format; known: coco"
    >>> str(UnknownNameError("class in mine.py:", "MyCAM", []))
    "unknown class in mine.py: 'MyCAM'; known: none"
    """

    def __init__(
        self,
        kind: str,
        value: object,
        known: Iterable[object],
        near: Iterable[str] = (),
        also: str = "",
    ) -> None:
        """Compose the message with the nearest allowed name.

        Args:
            kind: what the name is of: method, flag …
            value: the name as typed.
            known: the allowed names, which are listed.
            near: further allowed names, too many to list, of which the nearest is suggested.
            also: description of ``near``.
        """
        names = [str(name) for name in known]
        nearest = hint(str(value), [*names, *near]).rstrip()
        listing = (", ".join(names) or "none") + (f"; or use {also}" if also else "")
        allowed = f": {nearest} Known: {listing}" if nearest else f"; known: {listing}"
        what = (
            f"value {str(value)!r} for {kind}"
            if kind.startswith("--")
            else f"{kind} {str(value)!r}"
        )
        super().__init__(f"unknown {what}{allowed}")


def require_extra(extra: str, package: str, what: str, advice: str = "") -> None:
    """Check that an optional package is installed.

    Args:
        extra: the extra of Locus that installs it.
        package: the package, as it is imported.
        what: what requires it.
        advice: text after the command that installs it.

    Raises:
        NotAvailableError: it is not installed; the message has the command.

    Example:
        >>> require_extra("hf", "no_such_package", "hf:vit")
        Traceback (most recent call last):
            ...
        locus.core.errors.NotAvailableError: hf:vit requires no_such_package: pip install 'locus-cxr[hf]'
    """
    if importlib.util.find_spec(package) is None:
        raise NotAvailableError(
            f"{what} requires {package}: pip install 'locus-cxr[{extra}]'{advice}"
        )


def hint(value: str, known: Iterable[str]) -> str:
    """Return ``did you mean …? `` with the nearest known name, ignoring case, or an empty string."""
    if len(value) > MAX_NAME_LENGTH:
        return ""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[near[0]]!r}? " if near else ""


def one_line(text: object) -> str:
    r"""Return a text or an error message on one printable line.

    >>> one_line("expected <block end>\n  in line 2")
    'expected <block end> in line 2'
    """
    return printable(" ".join(str(text).split()))


def printable(text: object) -> str:
    r"""Escape the characters that a terminal would interpret, except line breaks.

    These are control characters, invisible characters, characters that change the text direction, and bytes of file
    names that are not UTF-8.

    >>> printable("\x1b[2Jmass\u202egnp.exe\nnodule")
    '\\x1b[2Jmass\\u202egnp.exe\nnodule'
    """
    return "".join(
        c if c == "\n" or is_shown(c) else c.encode("unicode_escape").decode() for c in str(text)
    )


@lru_cache(maxsize=4096)
def is_shown(text: str) -> bool:
    r"""Return whether ``text`` has no control, invisible or direction-changing characters.

    >>> is_shown("a\u00a0b"), is_shown("a\nb"), is_shown("\u202eb")
    (True, False, False)
    """
    return all(c.isprintable() or unicodedata.category(c) == "Zs" for c in text)


def require_shown(text: str) -> str:
    """Return a text that tables show. Raises ``BadValueError`` unless ``is_shown``."""
    if not is_shown(text):
        raise BadValueError(
            f"the text {text!r} contains control or invisible characters: remove them"
        )
    return text


def require_name(text: str) -> str:
    """Return a name that tables show. Raises ``BadValueError`` for one that looks like another on a page.

    That is one with characters that are not shown, with a space at an end, or with several spaces in a row.
    """
    require_shown(text)
    if text != text.strip() or "  " in text:
        raise BadValueError(
            f"the name {text!r} has a space at an end or several in a row: remove them"
        )
    return text


def first_problem(error: "ValidationError") -> tuple[str, str]:
    """Return the dotted name of the first invalid field of a pydantic error (empty: the model) and its message."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")


def killed(code: int, advice: str) -> str:
    """Describe a process that was killed by a signal (exit ``code`` below 0); ``advice`` says how to save memory.

    >>> killed(-9, "use a smaller --jobs")
    'was killed (SIGKILL), perhaps because memory ran out: use a smaller --jobs'
    """
    return f"was killed ({signal.Signals(-code).name}), perhaps because memory ran out: {advice}"


def examples(items: Iterable[object], most: int = 3) -> str:
    """List the first ``most`` items and count the others.

    >>> examples(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    names = [str(item) for item in items]
    remaining = len(names) - most
    return ", ".join(names[:most]) + (f" and {remaining} more" if remaining > 0 else "")
