"""The page of speeds is what its record gives, and making it needs no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.freshness
def test_the_committed_page_is_what_the_record_gives(tmp_path):
    page = tmp_path / "speed.md"
    code = (
        f"import sys; sys.modules['torch'] = None; from benchmark.speed import methods; methods.main(['--page', '--output', {str(page)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert page.read_bytes() == (ROOT / "docs/speed.md").read_bytes(), "docs/speed.md is stale: python -m benchmark.speed.methods --page"
