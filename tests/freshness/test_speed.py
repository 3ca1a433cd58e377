"""The pages of speeds are what their records give, and making them needs no torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.speed.__main__ import SUBJECTS

ROOT = Path(__file__).resolve().parents[2]

PAGES = {
    "methods": "speed.md",
    "scoring": "scoring_speed.md",
    "external": "external_speed.md",
    "training": "training_speed.md",
    "attention": "attention_speed.md",
    "jobs": "jobs_speed.md",
}
WRITE = """
import sys
sys.modules["torch"] = None
from tools.speed import __main__ as command
for subject in sys.argv[2:]:
    command.main([subject, "--page", "--output", f"{sys.argv[1]}/{subject}"])
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of all pages, each by its subject's word, and what the process that wrote them said."""
    folder = tmp_path_factory.mktemp("pages")
    return folder, subprocess.run([sys.executable, "-c", WRITE, folder, *PAGES], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.freshness
@pytest.mark.parametrize(("subject", "page"), PAGES.items())
def test_the_committed_page_is_what_the_records_give(subject, page, written):
    folder, done = written
    assert done.returncode == 0, done.stderr
    stale = f"docs/{page} is stale: python -m tools.speed {subject} --page"
    assert (folder / subject).read_bytes() == (ROOT / "docs" / page).read_bytes(), stale


@pytest.mark.freshness
def test_every_subject_has_its_page_here():
    assert set(PAGES) == set(SUBJECTS)


@pytest.mark.freshness
def test_the_page_of_scale_is_what_the_measurements_give():
    from tools.scale.__main__ import MEASURED
    from tools.scale.page import page

    stale = "docs/scale.md is stale: python -m tools.scale --page"
    assert page(json.loads(MEASURED.read_text())) == (ROOT / "docs/scale.md").read_text(), stale
