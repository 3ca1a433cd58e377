"""The page of training speeds is what its record gives, and making it needs no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.freshness
def test_the_committed_page_is_what_the_record_gives(tmp_path):
    page = tmp_path / "training_speed.md"
    code = (
        "import sys; sys.modules['torch'] = None; from benchmark.speed.training import __main__ as door; "
        f"door.main(['--page', '--output', {str(page)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    committed = ROOT / "docs/training_speed.md"
    assert page.read_bytes() == committed.read_bytes(), "docs/training_speed.md is stale: python -m benchmark.speed.training --page"
