"""Pause Python's cyclic garbage collector during imports, and skip its run at exit."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector in the block, for imports and other code that creates many objects.

    Afterwards these objects count as old, so that the next collection does not visit them. This step is skipped if
    ``gc.freeze`` is in use already, because it would unfreeze other objects.
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
    """Skip the garbage collection at exit, which takes one to two seconds if torch is imported.

    It is not skipped if triton is imported, whose bindings would then report leaks.
    """
    atexit.register(_freeze)


def _freeze() -> None:
    if "triton" not in sys.modules:
        gc.freeze()
