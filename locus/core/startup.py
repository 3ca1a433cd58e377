"""What a command does before its work: Ctrl-C and the import path.

* Ctrl-C during the imports prints one line instead of a traceback. Later, ``locus.flags.cli.entry_point`` handles
  ``KeyboardInterrupt``.
* The checkout is taken off ``sys.path``, where its folders could hide other packages.

This module imports only the standard library, because it runs first.
"""

import importlib.util
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
"""The folder that contains the package ``locus``: the checkout, or site-packages."""
COMMANDS = ("main.py", "heatmap.py", "locus", "tools")
"""Files and packages that contain the commands."""
INTERRUPTED = 130
"""Exit status after Ctrl-C."""
ARROW_FOR_NUMPY_2 = 26
"""First version of pyarrow that refuses NumPy 1, which its metadata does not say."""
IS_CHECKOUT = (ROOT / "pyproject.toml").is_file()
"""False in an installation, which has no files beside the package."""
SUBCOMMANDS = {"main": "train", "heatmap": "heatmap"}
"""File of the checkout -> the subcommand of ``locus`` that does the same."""
FILE_OR_MODULE = re.compile(
    r"(?<![\w./])(?:python )?(?:(?:-m )?benchmark\.([a-z]+)\b|(main|heatmap)\.py\b(?!:))"
)
"""A command of the checkout in a text: ``python -m benchmark.run``, ``benchmark.run``, ``main.py`` …"""
DOCUMENT = re.compile(r"(?<![\w./])docs/\w+\.md\b")


def is_command() -> bool:
    """Return True if this process runs a Locus command, such as ``python -m benchmark.run``."""
    path = Path(*sys.argv[:1]).resolve()
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[:1] in {
        (name,) for name in COMMANDS
    }


def leave_checkout() -> None:
    """Take the checkout off ``sys.path``: its ``datasets``, ``config`` … hide other packages of these names.

    An installed package stays where it is.
    """
    if IS_CHECKOUT:
        sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT]


def with_own_paths(text: str, is_checkout: bool = IS_CHECKOUT) -> str:
    """Return a message with the commands and pages that the user has: in an installation, those of the package.

    >>> with_own_paths("use `python -m benchmark.run --suite demo`, or main.py", is_checkout=False)
    'use `locus run --suite demo`, or locus train'
    >>> with_own_paths("runs/main.py and main.py:Net", is_checkout=False)
    'runs/main.py and main.py:Net'
    """
    if is_checkout:
        return text
    text = FILE_OR_MODULE.sub(lambda found: f"locus {found[1] or SUBCOMMANDS[found[2]]}", text)
    return DOCUMENT.sub(lambda found: str(ROOT / "locus" / found[0]), text)


@contextmanager
def checkout_importable() -> Iterator[None]:
    """Put the checkout on ``sys.path`` within the block, for a process that starts with a copy of it."""
    sys.path.insert(0, str(ROOT))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT))


def require_packages() -> None:
    """Exit with one sentence, if this Python runs on Windows or lacks the packages of Locus."""
    advice = "run `make setup` once, then `source .venv/bin/activate` in each new terminal"
    lacking = {"jsonargparse": f"{sys.executable} does not have the packages of Locus: {advice}"}
    problems = {"fcntl": "Locus needs Linux or macOS: on Windows, use WSL", **lacking}
    missing = [
        problem for module, problem in problems.items() if importlib.util.find_spec(module) is None
    ]
    problem = missing[0] if missing else arrow_problem()
    if problem:
        sys.stderr.write(f"error: {problem}\n")
        raise SystemExit(2)


def arrow_problem() -> str:
    """Return what is wrong with the installed pyarrow and NumPy, whose metadata allow each other; empty if nothing."""
    numpy = version("numpy")
    arrow = version("pyarrow")
    if int(numpy.split(".")[0]) >= 2 or int(arrow.split(".")[0]) < ARROW_FOR_NUMPY_2:
        return ""
    problem = f"pyarrow {arrow} requires NumPy 2, but NumPy {numpy} is installed"
    return f"{problem}: run pip install 'pyarrow<{ARROW_FOR_NUMPY_2}'"


def exit_quietly() -> None:
    """Let Ctrl-C end the process at once with one line, unless SIGINT is ignored or has another handler."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)


def raise_again() -> None:
    """Restore Python's default: Ctrl-C raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(*_: Any) -> NoReturn:
    os.write(2, b"error: interrupted\n")
    os._exit(INTERRUPTED)
