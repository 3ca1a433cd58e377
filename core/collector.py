"""Python's search for cycles, paused where very many objects are made that have none: records, imported libraries."""

import gc
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
