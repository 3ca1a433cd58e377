"""``python -m benchmark.compare``, ``.verify``, ``.gallery`` and ``.figures``, which run nothing, on a suite that ran."""

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

from benchmark import records
from benchmark import verify as verify
from benchmark.records import cases
from tests.browser import dom, needs_browser
from tests.commands.test_run import ABSENT
from tests.gallery import pictures, scores_of

pytestmark = pytest.mark.commands

SUITE = """
title: Small
about: Too small to mean anything.
train: {dataset: "phantom:train=32,val=16,test=24", backbone: custom, img_size: 64, pretrained: false, epochs: 1,
    threads: 1, logger: [csv], plots: false}
models:
  - {global_pool: [AVG, PCAM]}
methods: [cam, layercam]
protocols: [locus, pointing]
conventional: [pointing]
"""
AVG, PCAM = "custom-AVG-64px-seed0", "custom-PCAM-64px-seed0"


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """places(folder): the flags that say where everything lies."""
    shared = tmp_path_factory.mktemp("shared")
    (shared / "small.yaml").write_text(SUITE)
    (shared / "absent.yaml").write_text(f"{ABSENT}protocols: [pointing]\n")
    return lambda at: ["--suites", shared, "--results", at / "results", "--runs", at / "runs", "--cache_dir", shared / "cache"]


@pytest.fixture(scope="module")
def ran(run_command, places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ran")
    done = run_command("benchmark.run", "--suite", "small", *places(folder))
    assert done.returncode == 0, done.stderr
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


def state(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_every_record_of_a_finished_suite_holds_without_its_checkpoints_and_nothing_is_written(run_command, places, copy):
    for checkpoint in copy.glob("runs/small/*/*.ckpt"):
        checkpoint.unlink()
    before, count = state(copy), len(records.load(copy / "results/small"))
    done = run_command("benchmark.verify", "--suite", "small", *places(copy))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"small: {count} records match, 0 differ, 0 cannot be verified" in done.stdout
    assert state(copy) == before


@pytest.fixture(scope="module")
def spoilt(run_command, places, ran, tmp_path_factory):
    """A copy in which a score was edited, per-case rows were edited, and maps are missing; and what verifying it says."""
    copy = Path(shutil.copytree(ran, tmp_path_factory.mktemp("spoilt") / "copy"))
    true = record(copy, "PCAM", "layercam", "aligned", "pointing")
    score = next(score for score in true.scores if score.finding == "mean")
    scores = [each.model_copy(update={"value": 0.987654}) if each == score else each for each in true.scores]
    records.write(true.model_copy(update={"scores": tuple(scores)}), copy / "results/small")
    records.pack(copy / "results/small")
    file = copy / "results/small/cases.parquet"
    rows = pd.read_parquet(file)
    rows.loc[rows["key"] == record(copy, "AVG", "cam", "aligned", "locus").key, "hit@iou.3"] = True
    rows.to_parquet(file, index=False)
    (copy / f"runs/small/maps/{AVG}/layercam.npy").unlink()
    done = run_command("benchmark.verify", "--suite", "small", "--method", "cam", "layercam", *places(copy))
    assert done.returncode == 1, done.stderr
    return f"({true.key})", f"mean {score.metric} value: recorded 0.987654, recomputed {score.value}", done.stdout


def test_an_edited_score_is_named_with_what_is_stated_and_what_was_found(spoilt):
    key, told, said = spoilt
    assert f"{PCAM} layercam aligned pointing {key} differs:\n  {told}" in said


def test_edited_rows_are_found_by_their_cell_and_by_what_is_paired_from_them(spoilt):
    *_, said = spoilt
    assert f"{AVG} cam aligned locus" in said
    assert "hit@iou.3: recorded 1.0, recomputed 0.0" in said
    assert f"{AVG} cam aligned paired" in said
    assert "mean above_prior (cross-fitted) value" in said


def test_missing_maps_are_told_and_the_other_records_still_verified(spoilt):
    *_, said = spoilt
    assert re.search(rf"3 cannot be verified: \S*{AVG} has no maps", said)
    assert "small: 9 records match, 4 differ, 3 cannot be verified" in said


def test_records_without_figures_are_counted_apart(run_command, places, tmp_path):
    assert run_command("benchmark.run", "--suite", "absent", *places(tmp_path)).returncode == 0
    done = run_command("benchmark.verify", "--suite", "absent", *places(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "absent: 0 records match, 0 differ, 0 cannot be verified, 7 without scores (n/a)" in done.stdout


@pytest.mark.usefixtures("terminal")
def test_what_a_protocols_records_hold_can_be_asked_alone_and_a_bar_counts_them(places, ran, capsys):
    words = ["--suite", "small", "--protocol", "classification", "paired", *map(str, places(ran))]
    status = verify.main(words)
    said, shown = capsys.readouterr()
    assert (status, "small: 12 records match, 0 differ" in said) == (0, True), said + shown
    assert "verify small:   0%" in shown
    assert "0/12" in shown


def test_protocol_paired_makes_the_paired_records_anew_and_runs_nothing(run_command, places, copy):
    before = {path: path.read_bytes() for path in (copy / "results").rglob("*") if path.is_file()}
    gone = record(copy, "AVG", "cam", "paired").key
    records.pack(copy / "results/small", [each for each in records.load(copy / "results/small") if each.key != gone])
    shutil.rmtree(copy / "runs")
    done = run_command("benchmark.run", "--suite", "small", "--protocol", "paired", *places(copy))
    assert done.returncode == 0, done.stderr
    assert "small: 0 cells to run" in done.stdout
    assert {path: path.read_bytes() for path in (copy / "results").rglob("*") if path.is_file()} == before


@pytest.fixture(scope="module")
def gallery(run_command, places, ran, tmp_path_factory):
    """The page of the AVG network, on which ``pcam`` would have no answer, and where it lies by itself."""
    page = tmp_path_factory.mktemp("gallery") / "page.html"
    done = run_command("benchmark.gallery", f"small/{AVG}", "--output", page, *places(ran))
    assert done.returncode == 0, done.stderr
    assert f"gallery: {page} (" in done.stdout
    return page


@pytest.fixture(scope="module")
def rows_of(ran):
    """(method, image, finding) -> its row per case on the AVG network."""
    folder = ran / "results/small"
    cells = [r.cell for r in records.load(folder) if (r.cell.model_id, r.cell.protocol, r.status) == (AVG, "locus", "ok")]
    rows = pd.concat(cases.read(cell, folder) for cell in cells)
    return {(row["method"], row["image"], row["finding"]): row for row in rows.to_dict("records")}


def test_the_figures_of_a_gallery_are_the_records_and_the_same_records_are_the_same_page(run_command, places, ran, rows_of, gallery):
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
    assert run_command("benchmark.gallery", f"small/{AVG}", *places(ran)).returncode == 0
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


def test_a_gallery_without_maps_is_a_sentence(run_command, sentence, places, copy):
    (copy / f"runs/small/maps/{AVG}/layercam.npy").unlink()
    assert "no maps" in sentence(run_command("benchmark.gallery", f"small/{AVG}", *places(copy)))


@pytest.mark.slow
def test_figures_are_whole_and_as_wide_as_one_and_two_columns(run_command, places, ran, tmp_path):
    done = run_command("benchmark.figures", f"small/{AVG}", "--output", tmp_path, *places(ran))
    assert done.returncode == 0, done.stderr
    drawn = ["intervals", "iou_thresholds", "matrix", "score_thresholds", "strata", "grid"]
    names = [f"small-{word}-{width}.{kind}" for word in drawn for width in ("1col", "2col") for kind in ("pdf", "svg", "png")]
    assert {file.name for file in tmp_path.iterdir()} == {*names, "leaderboard.tex"}
    assert {name: inches(tmp_path / name) for name in names} == {
        name: pytest.approx(7 if "2col" in name else 3.35, abs=0.01) for name in names
    }
    assert "seeds: n/a: every entry of phantom has one training" in done.stdout


def test_figures_of_an_unknown_model_are_a_sentence(run_command, sentence, places, ran):
    assert AVG in sentence(run_command("benchmark.figures", f"small/{AVG}s", *places(ran)))


def inches(file):
    """The width that a figure states."""
    if file.suffix == ".png":
        return Image.open(file).width / Image.open(file).info["dpi"][0]
    if file.suffix == ".pdf":
        return float(re.search(rb"MediaBox \[ ?0 0 ([\d.]+)", file.read_bytes())[1]) / 72
    number, unit = re.search(r'width="([\d.]+)(in|pt)"', file.read_text()).groups()
    return float(number) / {"in": 1, "pt": 72}[unit]


def test_a_suite_that_never_ran_does_not_hold(run_command, places, tmp_path):
    done = run_command("benchmark.verify", "--suite", "small", *places(tmp_path))
    assert done.returncode == 1
    assert "the suite has no records: run it first" in done.stdout


def test_two_checkpoints_are_the_models_that_they_belong_to(run_command, ran, tmp_path):
    paths = [next(ran.glob(f"runs/small/custom-{pooling}-*")) for pooling in ("AVG", "PCAM")]
    files = [tmp_path / f"{n}.csv" for n in range(2)]
    sides = ([paths[0], paths[1] / "best.ckpt"], [f"small/{AVG}", f"small/{PCAM}"])
    for file, pair in zip(files, sides, strict=True):
        done = run_command("benchmark.compare", *pair, "--results", ran / "results", "--output", file)
        assert done.returncode == 0, done.stderr
        assert "A − B [95%]" in done.stdout
    assert files[0].read_bytes() == files[1].read_bytes()
    rows = list(csv.DictReader(files[0].open()))
    assert {(row["method_A"], row["method_B"]) for row in rows} == {("cam", "cam"), ("layercam", "layercam")}


def test_a_comparison_of_methods_needs_no_torch_and_agrees_with_the_records(ran):
    words = [f"small/{AVG}/cam", "small/prior", "--results", str(ran / "results")]
    code = f"import sys; sys.modules['torch'] = None; from benchmark.compare import main; sys.exit(main({words}))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    gap = record(ran, "AVG", "cam", "paired").find("above_prior")
    assert f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]" in done.stdout


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["compare", "small/PCA", "small"], "'small'.*'PCA'.*PCAM"),
        (["compare", "smal", "small"], "suite.*'smal'.*'small'"),
        (["compare", "small"], " 1: "),
        (["compare"], " 0: "),
        (["compare", "small", "small"], " small .* small "),
        (["compare", f"small/{AVG}", f"small/{PCAM}", "--suite", "small"], "--suite"),
        (["verify", "--all", "--overwrite", "always"], "--overwrite"),
        (["verify"], "--suite NAME"),
        (["verify", "--suite", "randomised", "--protocol", "locus"], "'randomised'.*'locus'.*randomised, class"),
        (["run", "--suite", "randomised", "--protocol", "paired"], "'randomised'.*'paired'.*randomised, classification"),
        (["run", "--compare", "a", "b", "--verify"], r"--compare.*python -m benchmark\.compare A B$"),
        (["run", "--verify", "--suite", "small"], r"--verify.*python -m benchmark\.verify"),
        (["run", "--gallery=small"], r"--gallery.*python -m benchmark\.gallery SUITE"),
        (["run", "--figures", "small"], r"--figures.*python -m benchmark\.figures SUITE"),
        (["run", "--all", "--output", "x.csv"], r"--output.*benchmark\.compare"),
    ],
)
def test_words_that_name_nothing_and_flags_of_other_commands_are_a_sentence(run_command, sentence, ran, words, facts):
    command, *flags = words
    assert re.search(facts, sentence(run_command(f"benchmark.{command}", *flags, "--results", ran / "results")))
