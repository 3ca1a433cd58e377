"""What a command does before and after its work: garbage collection, Ctrl-C and the import path.

* Python's cyclic garbage collector is paused during imports, and its run at exit is skipped.
* Ctrl-C during the imports prints one line instead of a traceback. Later, ``locus.core.cli.entry_point`` handles
  ``KeyboardInterrupt``.
* The checkout is taken off ``sys.path``, where its folders could hide other packages.

This module imports only the standard library, because it runs first.
"""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
"""The folder that contains the package ``locus``: the checkout, or site-packages."""
COMMANDS = ("main.py", "heatmap.py", "locus", "tools")
"""Files and packages that contain the commands."""
INTERRUPTED = 130
"""Exit status after Ctrl-C."""
MANY = 50_000
"""Number of new objects that a garbage collection should not visit."""


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector in the block, for imports and other code that creates many objects.

    Afterwards these objects count as old, so that the next collection does not visit them. This step is skipped for
    few objects, and if ``gc.freeze`` is in use already, because it would unfreeze other objects.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            if gc.get_count()[0] > MANY and not gc.get_freeze_count():  # which counts frozen objects one by one
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def gc_skipped_at_exit() -> None:
    """Skip the garbage collection at exit, which takes one to two seconds if torch is imported.

    It is not skipped if triton is imported, whose bindings would then report leaks.
    """
    atexit.register(_freeze)


def _freeze() -> None:
    if "triton" not in sys.modules:
        gc.freeze()


def is_command() -> bool:
    """Return True if this process runs a Locus command, such as ``python -m benchmark.run``."""
    path = Path(*sys.argv[:1]).resolve()
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[:1] in {(name,) for name in COMMANDS}


def leave_checkout() -> None:
    """Take the checkout off ``sys.path``: its ``datasets``, ``config`` … hide other packages of these names.

    An installed package stays where it is.
    """
    if (ROOT / "pyproject.toml").is_file():
        sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT]


@contextmanager
def checkout_importable() -> Iterator[None]:
    """Put the checkout on ``sys.path`` within the block, for a process that starts with a copy of it."""
    sys.path.insert(0, str(ROOT))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT))


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
