"""docs/speed.md and docs/scale.md are up to date, and are generated without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.speed.__main__ import SUBJECTS

ROOT = Path(__file__).resolve().parents[2]

WRITE = """
import sys
sys.modules["torch"] = None
from tools.speed.__main__ import main
folder, *subjects = sys.argv[1:]
main(["summary", "--output", f"{folder}/speed.md"])
for subject in subjects:
    main([subject, "--page", "--output", f"{folder}/{subject}.md"])
"""


@pytest.mark.freshness
def test_the_page_about_speed_is_up_to_date(tmp_path):
    done = subprocess.run([sys.executable, "-c", WRITE, tmp_path, *SUBJECTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in tmp_path.iterdir()} == {"speed", *SUBJECTS}
    stale = "docs/speed.md is stale: python -m tools.speed summary"
    assert (tmp_path / "speed.md").read_text() == (ROOT / "docs/speed.md").read_text(), stale


@pytest.mark.freshness
def test_the_page_about_scale_is_up_to_date():
    from tools.scale.__main__ import MEASURED
    from tools.scale.page import page

    stale = "docs/scale.md is stale: python -m tools.scale --page"
    assert page(json.loads(MEASURED.read_text())) == (ROOT / "docs/scale.md").read_text(), stale
