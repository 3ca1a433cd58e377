"""Ctrl-C while a command still imports its libraries, which takes half a second: one sentence, no traceback.

Nothing has been written then. From its first line on, ``main`` handles a KeyboardInterrupt itself.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("main.py", "heatmap.py", "benchmark", "tools")
"""Where our commands are."""
INTERRUPTED = 130
"""Exit status after Ctrl-C."""


def is_command() -> bool:
    """Whether this process was started as one of our commands: ``python main.py``, ``python -m benchmark.run``."""
    if sys.argv[:1] == ["-m"]:  # as long as Python looks for the module
        module = sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1]
        return bool(module) and module[0].split(".")[0] in COMMANDS
    path = Path(*sys.argv[:1]).resolve()
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[:1] in {(name,) for name in COMMANDS}


def exit_quietly() -> None:
    """Let Ctrl-C end the process at once with one sentence, unless somebody handles or ignores it already."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, as Python does by itself."""
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(*_: Any) -> NoReturn:
    os.write(2, b"error: interrupted\n")
    os._exit(INTERRUPTED)
