"""The gallery page: escaped names, no external files, and boxes that a browser redraws."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from locus.benchmark.pictures.gallery import choose, choose_typical, data_url, packed_map, page_path, render_page
from locus.benchmark.records import Cell, Record, Score
from locus.benchmark.suite.opened import of_model
from locus.config import PageConfig
from locus.core.errors import DataError, UnknownNameError
from tests.browser import dom, needs_browser

ROOT = Path(__file__).resolve().parents[3]
BAD = "<script>alert('x')</script>"


def small_page(finding="mass", method="cam"):
    """One case on a 40×20 frame: a 2×4 map whose second position of the first row is the peak, and a method without an answer."""
    hit = {"method": method, "map": 0, "threshold": 0.5, "iou": 0.25, "hit": False, "reason": ""}
    panels = [hit, {"method": "pcam", "map": None, "iou": None, "hit": False, "reason": "needs a PCAM head"}]
    case = {"finding": finding, "rank": "best", "image_id": "a", "mean_iou": 0.25, "probability": 0.75, "image": 0}
    case |= {"frame": (20, 40), "truth": [[5.0, 0.0, 25.0, 10.0]], "panels": panels}
    summary = {"name": method, "kind": "", "score": 0.5, "low": 0.4, "high": 0.6, "reason": ""}
    without = {"name": "pcam", "kind": "", "score": None, "low": None, "high": None, "reason": "n/a: needs a PCAM head"}
    page = {
        "suite": "tiny",
        "suite_page": "index.html",
        "title": "Tiny",
        "address": "tiny/net",
        "network": "small CNN",
        "basis": "1 image",
        "command": "run it",
    }
    maps = [packed_map(np.float16([[0, 1, 0, 0], [0, 0, 0, 0]]), "conventional")]
    return {**page, "methods": [summary, without], "cases": [case], "images": [data_url(np.zeros((20, 40), np.uint8))], "maps": maps}


@pytest.mark.structure
def test_page_loads_nothing_and_is_reproducible():
    text = render_page(small_page())
    assert "default-src 'none'" in text
    assert set(re.findall(r"https?://[^\"'\s)]+", text)) == {"http://www.w3.org/2000/svg"}  # a name space, never opened
    assert not re.search(r"<iframe|\ssrc=|@import", text)
    assert text == render_page(small_page())


@pytest.mark.byhand
def test_names_of_findings_and_methods_are_escaped_and_a_missing_map_has_a_reason():
    text = render_page(small_page(BAD, BAD))
    assert BAD not in text
    assert "&lt;script&gt;" in text
    assert text.count("n/a: needs a PCAM head") == 2  # above the cases and in the case


@needs_browser
@pytest.mark.byhand
@pytest.mark.parametrize(
    ("address", "box", "iou", "caption", "hits"),
    [
        ("", [10, 0, 20, 10], 0.5, "IoU 0.250", 0),  # at .5, as recorded: the caption keeps the record's figure
        ("finding=mass&t=0.75", [12.5, 0, 17.5, 7.5], 0.1875, "IoU 0.188", 0),  # 5 × 7.5 of 20 × 10
        ("t=0", [5, 0, 25, 15], 2 / 3, "IoU 0.667", 1),  # 200 of 300
    ],
)
def test_the_slider_moves_box_and_iou(tmp_path, address, box, iou, caption, hits):
    page = tmp_path / "gallery.html"
    page.write_text(render_page(small_page()))
    text = dom(page, address)
    assert json.loads(re.search(r'data-box="([^"]*)"', text)[1]) == box
    assert float(re.search(r'data-computed="([^"]*)"', text)[1]) == pytest.approx(iou, abs=1e-9)
    assert f">{caption}<" in text
    assert f">{hits} of 1 visible boxes are hits<" in text


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("flags", "dataset", "folder"),
    [
        ({"suite": "shown"}, "phantom", "results/shown"),
        ({"suite": "shown/net-seed0"}, "phantom", "runs"),
        ({"suite": "shown"}, "NIH", "runs"),
        ({"suite": "other"}, "phantom", "runs"),
        ({"suite": "other/net-seed0", "results": "results"}, "phantom", "results/other"),
        ({"suite": "other", "results": "results"}, "NIH", "runs"),
    ],
)
def test_only_the_published_page_is_next_to_published_tables(tmp_path, monkeypatch, flags, dataset, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/shown").mkdir(parents=True)
    (tmp_path / "results/shown/gallery.html").touch()
    suite = Path("results") / flags["suite"].split("/")[0]
    assert page_path(PageConfig(**flags), dataset, suite, Path("runs")) == Path(folder) / "gallery.html"


def test_cases_that_a_method_lacks_are_left_out():
    all_images = pd.DataFrame({"finding": "mass", "image": [*"abcd"], "iou": [0.1, 0.2, 0.3, 0.9]})
    chosen = choose({"cam": all_images, "slow": all_images[:3]}, ["mass", "nodule"])
    assert [(case.rank, case.image) for case in chosen] == [("best", "c"), ("median", "b"), ("worst", "a")]


@pytest.mark.byhand
def test_two_cases_of_a_finding_are_its_best_and_worst_and_a_typical_case_exists_for_each_finding():
    rows = pd.DataFrame({"finding": ["mass", "mass", "nodule"], "image": [*"abc"], "iou": [0.1, 0.2, 0.3]})
    ranks = [(case.finding, case.rank, case.image) for case in choose({"cam": rows}, ["mass", "nodule"])]
    assert ranks == [("mass", "best", "b"), ("mass", "worst", "a"), ("nodule", "best", "c")]
    typical = [(case.finding, case.rank, case.image) for case in choose_typical({"cam": rows}, ["mass", "nodule"])]
    assert typical == [("mass", "median", "b"), ("nodule", "median", "c")]


def test_without_a_scored_method_no_case_is_chosen():
    assert choose({}, ["mass"]) == []


def a_record(model="net-seed0", method="cam", value=0.5):
    cell = Cell(dataset="phantom", model_id=model, method=method, alignment="aligned", protocol="single_box")
    scores = [Score(finding="mean", metric="hit@iou.3", value=value, n=10, threshold_source="cross-fitted")]
    return Record(cell=cell, scores=tuple(scores))


def test_default_model_is_the_leader():
    records = [a_record(), a_record(method="gradcam"), a_record("other", value=0.6), a_record("other", "gradcam", 0.1)]
    records.append(a_record("net-seed1", value=0.9))  # a further seed with fewer methods
    assert [(r.cell.model_id, r.cell.method) for r in of_model(records, "tiny", "")] == [("other", "cam"), ("other", "gradcam")]
    assert [r.cell.model_id for r in of_model(records, "tiny", "net-seed1")] == ["net-seed1"]


def test_unknown_model_and_suite_without_scores_are_errors():
    with pytest.raises(UnknownNameError, match="net-seed0"):
        of_model([a_record()], "tiny", "net-seed1")
    with pytest.raises(DataError, match="'tiny'"):
        of_model([], "tiny", "")
