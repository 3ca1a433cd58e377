"""Python's cyclic garbage collector: off where very many objects without cycles are made, skipped at the exit."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Turns the cyclic garbage collector off in the block: it would take a seventh of the time.

    What was made inside counts as old afterwards, or the first collection would look at all of it at once; unless
    somebody has set objects aside for ever (``gc.freeze``), who would get them back.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def gc_skipped_at_exit() -> None:
    """Ends the process without a last garbage collection: with torch imported it takes one to two seconds.

    Where triton is imported it still runs: its binding would call all that is left a leak, in many lines.
    """
    atexit.register(_freeze)


def _freeze() -> None:
    if "triton" not in sys.modules:
        gc.freeze()
