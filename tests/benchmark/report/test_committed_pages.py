"""The committed pages fit: in a browser, in a terminal, in words and in bytes; what they say equals their rows."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from locus.benchmark.report.table import WIDTH, as_text, short
from locus.benchmark.suite.finalize import tables_of
from locus.config import CHECKS
from tests.browser import EARS, answers

RESULTS = Path("results")
SUITES = sorted(page.parent.name for page in RESULTS.glob("*/index.html"))
WIDTHS = (400, 1280)


def csv(suite):
    return pd.read_csv(RESULTS / suite / "leaderboard.csv")


WITH_METHODS = [suite for suite in SUITES if suite not in CHECKS and "method" in {*csv(suite).get("kind", ())}]


@pytest.mark.parametrize("suite", SUITES)
def test_tables_fit_a_terminal(suite):
    for tables in tables_of(RESULTS / suite):
        for table in (*tables.short, *tables.of_checks[:1]):
            assert max(map(len, as_text(table).splitlines())) <= WIDTH == 130, table.title


@pytest.mark.parametrize("suite", SUITES)
def test_pages_are_short_and_small(suite):
    page = RESULTS / suite / "index.html"
    assert page.stat().st_size <= 400_000
    if suite in WITH_METHODS:
        words = (RESULTS / suite / "leaderboard.md").read_text().split()
        assert len(words) <= (2500 if suite in ("phantom", "grounding") else 1500)


@pytest.mark.parametrize("page", sorted(RESULTS.rglob("*.html")), ids=str)
def test_pages_link_to_files_that_are_there(page):
    links = [link for link in re.findall(r'(?:href|src)="([^"#]+)"', page.read_text()) if ":" not in link]
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("suite", WITH_METHODS)
def test_only_rows_above_prior_may_be_the_best(suite):
    rows = csv(suite)
    methods = rows[rows["kind"] == "method"]
    above = (methods["prior_low"] > 0) & (methods["prior_p"] <= 0.05)
    assert (methods["above_prior"].astype(bool) == above).all()
    assert not (methods["may_be_best"][~above] == True).any()  # noqa: E712
    lines = [line for line in (RESULTS / suite / "leaderboard.md").read_text().splitlines() if "≤ prior" in line and line.startswith("|")]
    assert [line for line in lines if "**" in line or "may be the best" in line] == []


@pytest.mark.parametrize("suite", WITH_METHODS)
def test_methods_noted_for_the_same_boxes_have_them_and_others_have_not(suite):
    rows = csv(suite).query("runs == 1 and kind == 'method' and may_be_best.notna()")
    place, levels = ["x0", "y0", "x1", "y1"], np.arange(1, 8, dtype=np.float32) / 10
    cases = pd.read_parquet(RESULTS / suite / "cases.parquet", columns=["model_id", "method", "image", "finding", "iou", *place])
    cases = cases.astype({"image": str, "finding": str}).sort_values(["image", "finding"])
    for model, methods in rows.groupby("model_id"):
        of_method = dict([*cases[cases["model_id"] == model].groupby("method", observed=True)])
        boxes = {name: of[place].fillna(-1).to_numpy() for name, of in of_method.items()}
        hits = {name: of[["iou"]].to_numpy(np.float32) > levels for name, of in of_method.items()}
        same = dict(zip(methods["method"], methods["note"].fillna("").str.extract(r"same boxes as (.+)")[0], strict=True))
        for name in (name for name in same if name in boxes):
            near = [other for other in same if other < name and abs(boxes[other] - boxes[name]).max() < 0.5]
            equal = [other for other in near if (hits[other] == hits[name]).all()]  # not on two sides of a threshold
            assert equal[:1] == ([same[name]] if isinstance(same[name], str) else []), (model, name)


@pytest.mark.parametrize("suite", WITH_METHODS)
def test_answer_names_the_best_row_with_its_interval(suite):
    rows = csv(suite)
    best = rows[rows["kind"] == "method"].sort_values("hit@iou.3", ascending=False).iloc[0]
    wanted = f"{short(best['hit@iou.3'])} [{short(best['low'])}, {short(best['high'])}] at IoU > .3"
    text = (RESULTS / suite / "leaderboard.md").read_text()
    (answer,) = re.findall(r"^\*\*Best\*\*: `(.*?)` on .*?: (.*? at IoU > \.3)", text, re.MULTILINE)
    assert answer == (best["method"], wanted)


@pytest.mark.parametrize("file", ["leaderboard.md", "index.html"])
def test_page_of_phantom_says_that_its_best_row_rests_on_tuned_thresholds(file):
    text = re.sub(r"</?code>", "`", (RESULTS / "phantom" / file).read_text())
    best = csv("phantom").iloc[0]
    pattern = r"depends on its threshold: `(\w+)` on .*? has \S+ to \S+; it scores \.\d+ with them, (\.\d+) at a fixed \.5\."
    (method, fixed), *_ = re.findall(pattern, text)
    assert (method, fixed) == (best["method"], short(best["hit@iou.3,fixed"]))
    assert float(fixed) < best["low"]


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
        assert charts == (suite in (*WITH_METHODS, *CHECKS, "nih", "nih-sample-protocols")), name
