"""Python's search for cycles: paused where very many objects are made that have none, skipped when a process ends."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """No search for cycles inside: it would look at all objects again and again, a seventh of the time.

    What was made inside counts as old afterwards, or the first search would look at all of it at once; unless somebody
    has set objects aside for ever (``gc.freeze``), who would get them back.
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
    """The process ends without a last search for cycles: with torch imported it takes one to two seconds.

    It is made where triton is imported, whose binding would call all that is left a leak, in many lines.
    """
    atexit.register(_freeze)


def _freeze() -> None:
    if "triton" not in sys.modules:
        gc.freeze()
