"""``python -m benchmark.compare``, ``.gallery`` and ``.figures``, which run nothing, on a suite that ran."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from locus.benchmark import records
from locus.benchmark.records import cases
from locus.benchmark.report.select import main_score
from tests.browser import dom, needs_browser
from tests.gallery import pictures, scores_of

pytestmark = pytest.mark.commands

ROOT = Path(__file__).resolve().parents[2]
POOLINGS = [{"backbone": "custom", "global_pool": ["AVG", "PCAM"]}]
AVG, PCAM = "custom-AVG-64px-seed0", "custom-PCAM-64px-seed0"


@pytest.fixture(scope="module")
def places(write_suite, tmp_path_factory):
    """places(folder): the flags that say where everything lies."""
    shared, two = tmp_path_factory.mktemp("shared"), {"methods": ["cam", "layercam"], "protocols": ["locus", "pointing"]}
    write_suite(shared / "small.yaml", models=POOLINGS, **two)
    return lambda at: ["--suites", shared, "--results", at / "results", "--runs", at / "runs", "--cache_dir", shared / "cache"]


@pytest.fixture(scope="module")
def ran(succeed, places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ran")
    succeed("benchmark.run", "--suite", "small", *places(folder))
    return folder


@pytest.fixture
def copy(ran, tmp_path):
    """A copy of the finished suite, to spoil."""
    return Path(shutil.copytree(ran, tmp_path / "copy"))


def record(folder, *words):
    """The record of the model, method, alignment and protocol that ``words`` name."""
    every = {(r.cell.global_pool, r.cell.method, r.cell.alignment, r.cell.protocol): r for r in records.load(folder / "results/small")}
    (found,) = [record for names, record in every.items() if set(words) <= set(names)]
    return found


@pytest.fixture(scope="module")
def gallery(succeed, places, ran, tmp_path_factory):
    """The page of the AVG network, on which ``pcam`` would have no answer, and where it lies by itself."""
    page = tmp_path_factory.mktemp("gallery") / "page.html"
    assert f"gallery: {page} (" in succeed("benchmark.gallery", f"small/{AVG}", "--output", page, *places(ran)).stdout
    return page


@pytest.fixture(scope="module")
def rows_of(ran):
    """(method, image, finding) -> its row per case on the AVG network."""
    folder = ran / "results/small"
    cells = [r.cell for r in records.load(folder) if (r.cell.model_id, r.cell.protocol, r.status) == (AVG, "locus", "ok")]
    rows = pd.concat(cases.read(cell, folder) for cell in cells)
    return {(row["method"], row["image"], row["finding"]): row for row in rows.to_dict("records")}


def test_the_figures_of_a_gallery_are_the_records_and_the_same_records_are_the_same_page(succeed, places, ran, rows_of, gallery):
    text = gallery.read_text()
    shown = pictures(text)
    rows = [rows_of[each["method"], each["image"], each["finding"]] for each in shown]
    assert len(rows) > 20
    assert [(float(each["iou"]), float(each["threshold"])) for each in shown] == [(row["iou"], row["threshold"]) for row in rows]
    scores = scores_of(text)
    assert {"cam", "layercam", "noise", "truth"} <= set(scores)
    for method, score in scores.items():
        main = record(ran, "AVG", method, "aligned", "locus").find("hit@iou.3", origin="cross-fitted")
        assert score == f"{main.value:.3f}"
    succeed("benchmark.gallery", f"small/{AVG}", *places(ran))
    page = ran / "results/small/gallery.html"  # drawn images may lie beside the tables
    back, elsewhere = 'href="index.html"', os.path.relpath(ran / "results/small/index.html", gallery.parent)
    assert back in page.read_text()
    assert page.read_text().replace(back, f'href="{elsewhere}"') == text
    page.unlink()


@pytest.mark.slow
@needs_browser
def test_the_boxes_in_the_page_are_those_of_the_records(rows_of, gallery):
    shown = pictures(dom(gallery, "finding="))
    assert len(shown) > 20
    for each in shown:
        row = rows_of[each["method"], each["image"], each["finding"]]
        assert float(each["computed"]) == pytest.approx(row["iou"], abs=1e-5)
        edges = [float(edge) for edge in json.loads(each["box"])] or [float("nan")] * 4
        assert edges == pytest.approx([row[edge] for edge in ("x0", "y0", "x1", "y1")], abs=1e-3, nan_ok=True)


def test_a_gallery_without_maps_and_figures_of_an_unknown_model_are_a_sentence(run_command, sentence, places, copy):
    (copy / f"runs/small/maps/{AVG}/layercam.npy").unlink()
    assert "no maps" in sentence(run_command("benchmark.gallery", f"small/{AVG}", *places(copy)))
    assert AVG in sentence(run_command("benchmark.figures", f"small/{AVG}s", *places(copy)))


@pytest.mark.slow
def test_figures_are_whole_and_as_wide_as_one_and_two_columns(succeed, places, ran, tmp_path):
    done = succeed("benchmark.figures", f"small/{AVG}", "--output", tmp_path, *places(ran))
    drawn = ["intervals", "iou_thresholds", "matrix", "score_thresholds", "strata", "grid"]
    names = [f"small-{word}-{width}.{kind}" for word in drawn for width in ("1col", "2col") for kind in ("pdf", "svg", "png")]
    assert {file.name for file in tmp_path.iterdir()} == {*names, "leaderboard.tex"}
    widths = {name: 7 if "2col" in name else 3.35 for name in names}
    assert {name: inches(tmp_path / name) for name in names} == pytest.approx(widths, abs=0.01)
    assert "seeds: n/a: every entry of phantom has one training" in done.stdout


def inches(file):
    """The width that a figure states."""
    if file.suffix == ".png":
        return Image.open(file).width / Image.open(file).info["dpi"][0]
    if file.suffix == ".pdf":
        return float(re.search(rb"MediaBox \[ ?0 0 ([\d.]+)", file.read_bytes())[1]) / 72
    number, unit = re.search(r'width="([\d.]+)(in|pt)"', file.read_text()).groups()
    return float(number) / {"in": 1, "pt": 72}[unit]


def test_two_results_folders_of_a_suite_are_compared_in_one_line(succeed, ran, copy):
    def compared():
        return succeed("benchmark.compare", ran / "results/small", copy / "results/small").stdout

    count = len(records.load(ran / "results/small"))
    assert compared() == f"{count} of {count} common cells are equal; the largest difference of hit@iou.3 is 0\n"
    true = record(copy, "PCAM", "layercam", "locus")
    scores = [s._replace(value=s.value + 0.25) if s == main_score(true) else s for s in true.scores]
    records.write(true.model_copy(update={"scores": tuple(scores)}), copy / "results/small")
    told = f"{count - 1} of {count} common cells are equal; the largest difference of hit@iou.3 is 0.25 (layercam, {PCAM})\n"
    assert compared() == told


def test_folders_that_share_no_results_are_a_sentence(run_command, sentence, ran, tmp_path):
    small, demo = ran / "results/small", ROOT / "results/demo"
    assert f"{tmp_path}/small has no records" in sentence(run_command("benchmark.compare", small, tmp_path / "small"))
    assert "have no common cell" in sentence(run_command("benchmark.compare", small, demo))
    assert "--output" in sentence(run_command("benchmark.compare", small, small, "--output", tmp_path / "x.csv"))


def test_two_checkpoints_are_the_models_that_they_belong_to(succeed, ran, tmp_path):
    paths = [next(ran.glob(f"runs/small/custom-{pooling}-*")) for pooling in ("AVG", "PCAM")]
    files = [tmp_path / f"{n}.csv" for n in range(2)]
    sides = ([paths[0], paths[1] / "best.ckpt"], [f"small/{AVG}", f"small/{PCAM}"])
    for file, pair in zip(files, sides, strict=True):
        assert "A − B [95%]" in succeed("benchmark.compare", *pair, "--results", ran / "results", "--output", file).stdout
    assert files[0].read_bytes() == files[1].read_bytes()
    rows = list(csv.DictReader(files[0].open()))
    assert {(row["method_A"], row["method_B"]) for row in rows} == {("cam", "cam"), ("layercam", "layercam")}


def test_a_comparison_of_methods_needs_no_torch_and_agrees_with_the_leaderboard(ran):
    words = [f"small/{AVG}/cam", "small/prior", "--results", str(ran / "results")]
    code = f"import sys; sys.modules['torch'] = None; from locus.benchmark.compare import main; sys.exit(main({words}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (ran / "results/small/leaderboard.csv").open(newline="") as file:
        line = next(one for one in csv.DictReader(file) if (one["global_pool"], one["method"]) == ("AVG", "cam"))
    value, low, high = (float(line[f"prior_{end}"]) for end in ("difference", "low", "high"))
    assert f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" in done.stdout


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["compare", "small/PCA", "small"], "'small'.*'PCA'.*PCAM"),
        (["compare", "smal", "small"], "suite.*'smal'.*'small'"),
        (["compare", "small"], " 1: "),
        (["compare"], " 0: "),
        (["compare", "small", "small"], " small .* small "),
        (["compare", f"small/{AVG}", f"small/{PCAM}", "--suite", "small"], "--suite"),
        (["run", "--suite", "randomised", "--protocol", "wang"], "'randomised'.*'wang'.*randomised, classification"),
        (["run", "--compare", "a", "b"], "--compare"),
    ],
)
def test_words_that_name_nothing_and_flags_of_other_commands_are_a_sentence(run_command, sentence, ran, words, facts):
    command, *flags = words
    assert re.search(facts, sentence(run_command(f"benchmark.{command}", *flags, "--results", ran / "results")))
