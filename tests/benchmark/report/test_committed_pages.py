"""The committed pages fit: in a browser, in words and in bytes; what they say equals their rows."""

import re
from pathlib import Path

import pandas as pd
import pytest

from locus.core.registry import CHECKS
from tests.browser import EARS, answers

RESULTS = Path("results")
SUITES = sorted(page.parent.name for page in RESULTS.glob("*/index.html"))
WIDTHS = (400, 1280)
CHARTS = {"grounding": 3, "nih-heldout": 2, "nih-sample": 2, "phantom-added": 2}
"""Suite -> the number of its charts, if there are several: of data sets, or of the protocol ``added``."""


def csv(suite):
    return pd.read_csv(RESULTS / suite / "leaderboard.csv")


WITH_METHODS = [suite for suite in SUITES if suite not in CHECKS.names() and "method" in {*csv(suite).get("kind", ())}]


@pytest.mark.parametrize("page", sorted(RESULTS.rglob("*.html")), ids=str)
def test_pages_link_to_files_that_are_there(page):
    links = [link for link in re.findall(r'(?:href|src)="([^"#]+)"', page.read_text()) if ":" not in link]
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


SHOWN = """const frame = document.querySelector('#%s'), shown = frame.contentWindow, whole = shown.document.documentElement;
    frame.style.width = '%dpx'; await wait(); await wait();
    return [shown.innerWidth, whole.scrollWidth, whole.querySelectorAll('.chart svg').length, shown.problems]"""


def test_committed_pages_open_in_a_browser_and_fit_its_window(tmp_path):
    for suite in SUITES:
        text = (RESULTS / suite / "index.html").read_text()
        (tmp_path / f"{suite}.html").write_text(text.replace("<head>", f"<head>{EARS}", 1))
    frames = "".join(f'<iframe id="{suite}" src="{suite}.html" style="width:400px;height:900px"></iframe>' for suite in SUITES)
    (tmp_path / "frames.html").write_text(f"<html><head></head><body>{frames}</body></html>")
    questions = {f"{suite} {width}": SHOWN % (suite, width) for suite in SUITES for width in WIDTHS}
    text = answers(tmp_path / "frames.html", questions, tmp_path)
    assert text.pop("problems") == []
    assert len(text) == len(questions)
    for name, (width, wide, charts, problems) in text.items():
        suite, wanted = name.split()
        assert (width, wide <= width, problems) == (int(wanted), True, []), name
        has_chart = suite in (*WITH_METHODS, *CHECKS.names(), "nih", "nih-sample-controls", "nih-sample-protocols")
        assert charts == CHARTS.get(suite, has_chart), name
