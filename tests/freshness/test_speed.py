"""The pages of speeds are what their records give, and making them needs no torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.freshness
@pytest.mark.parametrize(
    ("subject", "page"),
    [
        ("methods", "speed.md"),
        ("scoring", "scoring_speed.md"),
        ("external", "external_speed.md"),
        ("training", "training_speed.md"),
        ("attention", "attention_speed.md"),
    ],
)
def test_the_committed_page_is_what_the_records_give(subject, page, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; from tools.speed import __main__ as door; "
        f"door.main([{subject!r}, '--page', '--output', {str(tmp_path / page)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    committed = ROOT / "docs" / page
    assert (tmp_path / page).read_bytes() == committed.read_bytes(), f"docs/{page} is stale: python -m tools.speed {subject} --page"


@pytest.mark.freshness
def test_the_page_of_scale_is_what_the_measurements_give():
    from tools.scale.__main__ import MEASURED
    from tools.scale.page import page

    stale = "docs/scale.md is stale: python -m tools.scale --page"
    assert page(json.loads(MEASURED.read_text())) == (ROOT / "docs/scale.md").read_text(), stale
