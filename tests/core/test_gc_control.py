"""Python's search for cycles: made at the end of a process only where somebody reports what it would have freed."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # the first that is registered is the last to run
from core.gc_control import gc_skipped_at_exit
gc_skipped_at_exit()
sys.modules[{name!r}] = None
"""


@pytest.mark.parametrize(("imported", "skipped"), [("another", True), ("triton", False)])
def test_the_last_search_for_cycles_is_skipped_unless_triton_would_call_what_is_left_a_leak(imported, skipped):
    words = [sys.executable, "-c", CODE.format(name=imported)]
    done = subprocess.run(words, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(skipped)
