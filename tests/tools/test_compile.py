"""``python -m tools.compile`` compiles everything that commands use."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_kernel_of_the_product_is_compiled_for_one_kind_of_arguments(tmp_path):
    """Except for ``_across``, which is compiled for two kinds of arguments."""
    subprocess.run([sys.executable, "-m", "tools.compile"], cwd=ROOT, env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}, check=True)
    texts = [path.read_text() for path in (ROOT / "locus").rglob("*.py")]
    kernels = [name for text in texts for name in re.findall(r"^@(?:compiled|partial\(compiled.*)\ndef (\w+)", text, re.MULTILINE)]
    compiled = [path.name.split(".")[1].split("-")[0] for path in tmp_path.rglob("*.nbc")]
    assert sorted(compiled) == sorted([*kernels, "_across"])
