"""Python's cyclic garbage collector: paused while many objects without cycles are created, skipped at exit."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector in the block; it would take a seventh of the time.

    Objects created inside count as old afterwards, so that the first collection does not visit all of them. This step
    is skipped if ``gc.freeze`` is already in use, because it would unfreeze those objects.
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
    """Skip the last garbage collection at exit: with torch imported it takes one to two seconds.

    It still runs if triton is imported, whose bindings would otherwise report leaks.
    """
    atexit.register(_freeze)


def _freeze() -> None:
    if "triton" not in sys.modules:
        gc.freeze()
