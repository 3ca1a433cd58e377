"""``python -m benchmark.compare`` and ``.gallery``, which run nothing, on a suite that ran."""

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

from locus.benchmark import records
from locus.benchmark.records import cases
from locus.benchmark.report.grouping import main_score
from tests.benchmark.test_opening import FILE
from tests.browser import dom, needs_browser
from tests.gallery import pictures, scores_of

pytestmark = pytest.mark.commands

ROOT = Path(__file__).resolve().parents[2]
POOLINGS = [{"backbone": "custom", "global_pool": ["AVG", "PCAM"]}]
AVG, PCAM = "custom-AVG-64px-seed0", "custom-PCAM-64px-seed0"


@pytest.fixture(scope="module")
def places(write_suite, tmp_path_factory):
    """places(folder): the flags that say where everything lies."""
    shared, two = tmp_path_factory.mktemp("shared"), {"methods": ["cam", "layercam"], "protocols": ["single_box", "pointing"]}
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
    cells = [r.cell for r in records.load(folder) if (r.cell.model_id, r.cell.protocol, r.status) == (AVG, "single_box", "ok")]
    rows = pd.concat(cases.read(cell, folder) for cell in cells)
    return {(row["method"], row["image"], row["finding"]): row for row in rows.to_dict("records")}


def test_the_figures_of_a_gallery_are_the_records_and_the_same_records_are_the_same_page(succeed, places, ran, rows_of, gallery):
    text = gallery.read_text()
    assert f"python -m benchmark.gallery small/{AVG} --suites" in text
    shown = pictures(text)
    rows = [rows_of[each["method"], each["image"], each["finding"]] for each in shown]
    assert len(rows) > 20
    assert [(float(each["iou"]), float(each["threshold"])) for each in shown] == [(row["iou"], row["threshold"]) for row in rows]
    scores = scores_of(text)
    assert {"cam", "layercam", "noise", "truth"} <= {method for method, score in scores.items() if score != "n/a"}
    for method, score in scores.items():
        main = main_score(record(ran, "AVG", method, "aligned", "single_box"))
        assert score == ("n/a" if main is None else f"{main.value:.3f}")
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


def test_a_gallery_without_maps_and_of_an_unknown_model_is_a_sentence(run_command, sentence, places, copy):
    (copy / f"runs/small/maps/{AVG}/layercam.safetensors").unlink()
    assert "no maps" in sentence(run_command("benchmark.gallery", f"small/{AVG}", *places(copy)))
    assert AVG in sentence(run_command("benchmark.gallery", f"small/{AVG}s", *places(copy)))


METHOD = "import locus\nclass Mine(locus.GradientMethod):\n    name = 'WORD'\n    def weights(self, A, G): return G.square()\n"
AGAIN, WITHOUT, NET = "Again-PCAM-64px-seed0", "Again-AVG-64px-seed1", "My net-AVG-64px-seed0"


@pytest.fixture(scope="module")
def own(succeed, places, ran, tmp_path_factory):
    """A working folder with results of the suite, in which methods of two files, a checkpoint and a network were added."""
    folder = Path(shutil.copytree(ran, tmp_path_factory.mktemp("own") / "work"))
    (folder / "methods").mkdir()
    (folder / "methods/mycam.py").write_text(METHOD.replace("WORD", "mycam"))
    (folder / "mine.py").write_text(METHOD.replace("WORD", "mine"))
    (folder / "net.py").write_text(FILE.replace("num_classes=3", "num_classes=8"))
    average, pcam = (next(folder.glob(f"runs/small/custom-{pooling}-*")) for pooling in ("AVG", "PCAM"))
    where = without_results(places(folder))
    for added in (
        ["--method", "mycam", "mine.py:Mine", "--plugins", "methods"],
        ["--checkpoint", pcam, average, "--entry", "Again", "--trained_on", "Hospital X", "--method", "pcam"],  # n/a for AVG
        ["--model", "net.py:Net", "--entry", "My net", "--method", "gradcam"],
    ):
        succeed("benchmark.run", "--suite", "small", *added, *where, cwd=folder)
    return folder


def without_results(words):
    """The flags of ``places`` for the default folder of records."""
    where = words.index("--results")
    return [*words[:where], *words[where + 2 :]]


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("results", [[], ["--results", "runs/results"]], ids=["default", "results"])
@pytest.mark.parametrize(
    ("model", "methods"), [(AVG, {"mycam", "mine", "truth"}), (AGAIN, {"pcam", "untrained"}), (NET, {"gradcam", "truth"})]
)
def test_a_gallery_shows_the_maps_of_a_users_own_methods_and_networks(succeed, places, own, tmp_path, model, methods, results):
    words = [f"small/{model}", "--output", tmp_path / "page.html", "--trust", *without_results(places(own)), *results]
    succeed("benchmark.gallery", *words, cwd=own)
    text = (tmp_path / "page.html").read_text()
    assert f"<code>small/{model}</code>" in text
    assert methods <= {picture["method"] for picture in pictures(text)}
    assert methods <= set(scores_of(text))


@pytest.mark.parametrize(("folder", "flags"), [("copy", []), pytest.param("own", ["--results", "results"], marks=pytest.mark.slow)])
def test_a_gallery_shows_published_results_if_they_are_named_or_the_only_ones(succeed, places, request, tmp_path, folder, flags):
    folder = request.getfixturevalue(folder)
    words = [f"small/{AVG}", "--output", tmp_path / "page.html", *without_results(places(folder)), *flags]
    succeed("benchmark.gallery", *words, cwd=folder)
    scores = scores_of((tmp_path / "page.html").read_text())
    assert {"cam", "layercam"} <= set(scores)
    assert {"mycam", "mine"}.isdisjoint(scores)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "lost", "fact"),
    [
        (AVG, "", "mine.py:Mine.*--trust"),
        (WITHOUT, "", f"no method of {WITHOUT} has a score"),
        (AVG, f"runs/small/maps/{AVG}/mycam.safetensors", "no maps"),
        (AGAIN, f"runs/small/maps/{AGAIN}-*/pcam.safetensors", "no maps"),
        (AGAIN, "runs/small/Again-*", "run it again"),
        (NET, "net.py", "no maps"),
    ],
)
def test_a_gallery_that_cannot_be_drawn_is_a_sentence_and_changes_no_file(run_command, sentence, places, own, tmp_path, model, lost, fact):
    folder = Path(shutil.copytree(own, tmp_path / "work"))
    for path in folder.glob(lost) if lost else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = content(folder)
    words = [f"small/{model}", *without_results(places(folder)), *(["--trust"] if lost else [])]
    assert re.search(fact, sentence(run_command("benchmark.gallery", *words, cwd=folder)))
    assert content(folder) == before


@pytest.mark.parametrize("kind", ["svg", pytest.param("pdf", marks=pytest.mark.slow)])
def test_a_grid_for_a_paper_is_two_columns_wide_and_has_all_methods(succeed, places, ran, tmp_path, kind):
    grid = tmp_path / f"grid.{kind}"
    assert f"grid: {grid} (" in succeed("benchmark.gallery", f"small/{AVG}", "--output", grid, *places(ran)).stdout
    size = rb"MediaBox \[ ?0 0 ([\d.]+)" if kind == "pdf" else rb'width="([\d.]+)pt"'
    assert float(re.search(size, grid.read_bytes())[1]) == pytest.approx(7 * 72, abs=1)
    assert kind == "pdf" or {"<!-- cam -->", "<!-- layercam -->"} <= {*re.findall("<!-- .* -->", grid.read_text())}


def test_two_results_folders_of_a_suite_are_compared_in_one_line(succeed, ran, copy):
    def compared():
        return succeed("benchmark.compare", ran / "results/small", copy / "results/small").stdout

    count = sum(bool(one.scores) for one in records.load(ran / "results/small"))  # fixed_box needs more patients
    assert compared() == f"{count} of {count} common cells are equal; the largest difference of hit@iou.3 is 0\n"
    true = record(copy, "PCAM", "layercam", "single_box")
    scores = [s._replace(value=s.value + 0.25) if s == main_score(true) else s for s in true.scores]
    records.write(true.model_copy(update={"scores": tuple(scores)}), copy / "results/small")
    told = f"{count - 1} of {count} common cells are equal; the largest difference of hit@iou.3 is 0.25 (layercam, {PCAM})\n"
    assert compared() == told


def test_folders_that_share_no_results_are_a_sentence(run_command, sentence, ran, tmp_path):
    small, demo = ran / "results/small", ROOT / "results/demo"
    assert f"{tmp_path}/small has no records" in sentence(run_command("benchmark.compare", small, tmp_path / "small"))
    assert "have no common cell" in sentence(run_command("benchmark.compare", small, demo))
    assert "--output" in sentence(run_command("benchmark.compare", small, small, "--output", tmp_path / "x.csv"))


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
        (["run", "--suite", "controls", "--protocol", "wang"], "'controls'.*'wang'.*controls, classification"),
        (["run", "--compare", "a", "b"], "--compare"),
    ],
)
def test_words_that_name_nothing_and_flags_of_other_commands_are_a_sentence(run_command, sentence, ran, words, facts):
    command, *flags = words
    assert re.search(facts, sentence(run_command(f"benchmark.{command}", *flags, "--results", ran / "results")))
