"""The frame of a door: what a user did wrong comes out as one sentence, never as a traceback."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Sequence

from core.collector import gc_skipped_at_exit
from core.errors import LocusError, one_line


def door(main: Callable[[Sequence[str] | None], int | None]) -> Callable[..., int]:
    """Wraps a door's ``main(argv)``: every error of the user's becomes one sentence on stderr and exit status 2.

    What ``main`` returns is the exit status otherwise; None is 0.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads make a busy machine many times slower
        gc_skipped_at_exit()
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        logging.getLogger().setLevel(logging.INFO)  # also where somebody else set up handlers before
        try:
            return main(argv) or 0
        except LocusError as error:
            return _report(str(error), 2)
        except KeyboardInterrupt:
            return _report("interrupted", 130)
        except OSError as error:
            return _report(f"{error.filename or 'the disk'}: {error.strerror or error}", 2)

    return run


def _report(sentence: str, status: int) -> int:
    sys.stderr.write(f"error: {one_line(sentence)}\n")
    return status
