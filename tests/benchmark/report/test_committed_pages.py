"""The committed pages open in a browser, and their numbers have records."""

import html
import re
from pathlib import Path

import pytest

from locus.benchmark.records import load
from tests.browser import EARS, answers

SUITES = ("demo", "phantom", "nih-sample")
WIDTHS = (400, 1600)
TABLE = re.compile(r'<table id="([^"]+)".*?<tbody>(.*?)</table>', re.DOTALL)
STORE = re.compile(r'<script type="application/json" id="data-records">(.*?)</script>', re.DOTALL)


def page(suite):
    return Path(f"results/{suite}/index.html").read_text()


@pytest.mark.parametrize(("suite", "least"), zip(SUITES, (50, 200, 200), strict=True))
def test_rows_of_committed_pages_have_records(suite, least):
    tables = {name: re.findall(r"<tr(.*?)>", body) for name, body in TABLE.findall(page(suite))}
    assert len(tables) >= 7
    assert [name for name, rows in tables.items() if not all("data-keys" in row for row in rows)] == []
    keys = {key for rows in tables.values() for row in rows for key in html.unescape(re.sub(r".*data-keys=\"|\".*", "", row)).split()}
    (store,) = STORE.findall(page(suite))
    recorded_keys = {record.key for record in load(f"results/{suite}")}
    assert len(keys) > least
    assert {key for key in keys if key not in recorded_keys or f'"{key}"' not in store} == set()


SHOWN = """const frame = document.querySelector('#%s'), shown = frame.contentWindow, whole = shown.document.documentElement;
    frame.style.width = '%dpx'; await wait(); await wait();
    return [shown.innerWidth, whole.scrollWidth, whole.querySelectorAll('[data-chart] svg').length, shown.problems]"""


def test_committed_pages_open_in_a_browser_and_fit_its_window(tmp_path):
    for suite in SUITES:
        (tmp_path / f"{suite}.html").write_text(page(suite).replace("<head>", f"<head>{EARS}", 1))
    frames = "".join(f'<iframe id="{suite}" src="{suite}.html" style="width:400px;height:900px"></iframe>' for suite in SUITES)
    (tmp_path / "frames.html").write_text(f"<html><head></head><body>{frames}</body></html>")
    text = answers(tmp_path / "frames.html", {f"{s} {w}": SHOWN % (s, w) for s in SUITES for w in WIDTHS}, tmp_path)
    assert text.pop("problems") == []
    assert len(text) == len(SUITES) * len(WIDTHS)
    for name, (width, wide, charts, problems) in text.items():
        assert (width, wide <= width, charts > 4, problems) == (int(name.split()[1]), True, True, []), name
