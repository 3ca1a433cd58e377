"""The garbage collection at exit."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # registered first, so it runs last
from locus.core.startup import gc_skipped_at_exit
gc_skipped_at_exit()
sys.modules[{name!r}] = None
"""


@pytest.mark.parametrize(("imported", "skipped"), [("another", True), ("triton", False)])
def test_the_garbage_collection_at_exit_is_skipped_unless_triton_is_imported(imported, skipped):
    words = [sys.executable, "-c", CODE.format(name=imported)]
    done = subprocess.run(words, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(skipped)
