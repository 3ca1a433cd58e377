"""Folder of the results: published plans and others."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from locus.benchmark import run
from locus.benchmark.records import Cell, Record, Score, cases, load, pack, write
from locus.benchmark.suite import finalize, folders, missing, plan
from locus.benchmark.suite.run import Outcome
from locus.config import RunConfig

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """A working directory with the published results of the suite ``demo``."""
    shutil.copytree(ROOT / "results/demo", tmp_path / "results/demo", ignore=shutil.ignore_patterns("*.html"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder in which one record of the suite ``demo`` is published."""
    monkeypatch.chdir(tmp_path)
    record = of(0.5)
    write(record, "results/demo")
    pack("results/demo")
    return record


def of(value, **fields):
    names = {"model_id": "a", "method": "cam", "alignment": "aligned", "protocol": "single_box"}
    cell = Cell(dataset="phantom", backbone="custom", global_pool="PCAM", seed=0, **names)
    score = Score(finding="mean", metric="hit@iou.3", value=value, low=value - 0.1, high=value + 0.1, n=20, threshold_source="cross-fitted")
    return Record(cell=cell, scores=(score,), checkpoints=(str(value),), **fields)


@pytest.mark.parametrize(
    ("suite", "flags", "folder"),
    [
        ("demo", {}, "results"),
        ("demo", {"method": ("cam", "prior")}, "results"),
        ("demo", {"overwrite": "always"}, "results"),
        ("demo", {"method": ("occlusion",)}, "runs/results"),
        ("demo", {"method": ("mine.py:Mine",)}, "runs/results"),
        ("demo", {"data_root_dir": "elsewhere"}, "runs/results"),
        ("demo", {"method": ("occlusion",), "results": "mine"}, "mine"),
        ("phantom", {}, "runs/results"),
    ],
)
def test_only_the_published_plan_uses_the_published_folder(published, suite, flags, folder):
    chosen = folders.choose(plan.load(suite), RunConfig(suite=(suite,), **flags))
    assert chosen.path.as_posix() == f"{folder}/{suite}"
    assert bool(chosen.reason) is folder.startswith("runs")


def test_published_rows_are_marked(published):
    (record,) = folders.choose(plan.load("demo"), RunConfig(method=("occlusion",))).published
    assert (record.key, record.source) == (published.key, "published")
    assert folders.choose(plan.load("demo"), RunConfig()).published == []


def test_published_rows_of_a_network_on_other_images_or_with_other_weights_are_left_out(published):
    mine = of(0.625).model_copy(update={"cell": of(0.5).cell.model_copy(update={"method": "gradcam"})})
    for changed in ({"checkpoints": ("other",)}, {"checkpoints": published.checkpoints, "fingerprint": "other"}):
        assert len(folders.with_published([mine.model_copy(update=changed)], [published])) == 1
    assert len(folders.with_published([mine.model_copy(update={"checkpoints": published.checkpoints})], [published])) == 2


def test_published_rows_of_a_network_stay_with_those_of_a_user_who_ran_only_some_of_its_images(published):
    cell = published.cell
    more = {"cell": cell.model_copy(update={"method": "layercam"}), "fingerprint": "more"}
    mine = published.model_copy(update={"cell": cell.model_copy(update={"method": "gradcam"}), "source": "run"})
    assert len(folders.with_published([mine], [published, published.model_copy(update=more)])) == 3


@pytest.fixture
def ended(monkeypatch):
    """Runs that end at once: ``demo`` with a record in the folder ``a``, ``phantom`` with a failed one in ``b``."""
    outcomes = {}
    for name, folder, status in (("demo", "a", "ok"), ("phantom", "b", "failed")):
        record = of(0.5).model_copy(update={"status": status})
        outcomes[name] = Outcome((), [record], (), folders.ResultsFolder(Path(folder) / name))
    monkeypatch.setattr(run, "run", lambda suite, *_: outcomes[suite.name])
    monkeypatch.setattr(run, "_index", lambda folder, _: folder)
    monkeypatch.setattr(run, "_say_answer", lambda _: None)


def test_each_results_folder_is_reported_with_the_counts_of_its_own_suites(ended, capsys):
    assert run.main(["--suite", "demo", "phantom"]) == 1
    assert capsys.readouterr().out.splitlines() == ["results: a (1 ok)", "results: b (1 failed)"]


def test_a_dry_run_exits_with_0_after_a_run_with_failures(ended):
    assert run.main(["--suite", "phantom", "--dry_run"]) == 0


def test_a_run_elsewhere_says_how_to_compare_with_the_published_records(demo, capsys):
    shutil.copytree("results/demo", "mine/demo")
    for folder, count in (("mine", 1), ("results", 0)):
        assert run.main(["--suite", "demo", "--results", folder, "--overwrite", "never"]) == 0
        assert capsys.readouterr().out.count("benchmark.compare results/demo mine/demo") == count


def test_a_model_that_was_added_stays(demo):
    cell = of(0.5).cell.model_copy(update={"model_id": "mine", "recipe": {"weights": "w"}})
    write(of(0.5).model_copy(update={"cell": cell}), "runs/results/demo")
    pack("runs/results/demo")
    assert run.main(["--suite", "demo", "--checkpoint", "none.ckpt"]) == 2  # nothing is lost by a wrong path
    assert [r.cell.model_id for r in load("runs/results/demo")] == ["mine"]


def add_method(folder, name):
    """Add the rows of ``cam`` to a folder once more, as those of a method with a name of its own."""
    for one in (r for r in load(folder) if (r.cell.method, r.cell.protocol) == ("cam", "single_box")):
        cell = one.cell.model_copy(update={"method": name})
        rows = cases.read(one.cell, folder).drop(columns=["key", *cases.CELL])
        cases.write(rows.to_dict("records"), cell, folder)
        write(one.model_copy(update={"cell": cell}), folder)
    pack(folder)


@pytest.mark.parametrize("results", ["runs/results", pytest.param("mine", marks=pytest.mark.slow)])
def test_a_row_is_a_users_if_the_suite_does_not_list_its_cell(demo, capsys, results):
    folder = f"{results}/demo"
    shutil.copytree("results/demo", folder)
    flags = ["--suite", "demo", "--results", results, "--overwrite", "never"]
    assert run.main(flags) == 0
    assert "\nBest: " in capsys.readouterr().out  # all rows were measured here, but the suite lists them
    for count, name in enumerate(["mycam", "other"], start=1):
        add_method(folder, name)
        assert run.main(flags) == 0
        (yours,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Yours: ")]
        assert yours.startswith("Yours: mycam on small CNN with ")
        assert ("the best of your 4 rows" if count == 2 else "the best of your 2 rows") in yours
        board = finalize.tables_of(Path(folder))[0].leaderboard
        assert {row.name for row in board.theirs} == {"mycam", "other"} & {"mycam", name}
    assert finalize.tables_of(Path("results/demo"))[0].leaderboard.theirs == []


def test_empty_results_folder_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run.main(["--suite", "demo", "--results", "elsewhere", "--dry_run"]) == 0
    text = capsys.readouterr().out
    assert "elsewhere/demo has no records" in text
    assert text.count("from published weights") == 2


def test_the_makefile_runs_suites_with_flags_that_exist(tmp_path, monkeypatch):
    lines = re.findall(r"-m benchmark\.run (.*)", (ROOT / "Makefile").read_text())
    monkeypatch.chdir(tmp_path)
    assert len(lines) == 2
    assert [run.main([*line.split(), "--dry_run"]) for line in lines] == [0, 0]


def test_published_weights_only_leaves_out_networks_that_would_be_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run.main(["--suite", "phantom", "--results", "elsewhere", "--dry_run"]) == 0
    every = capsys.readouterr().out
    assert run.main(["--suite", "phantom", "--results", "elsewhere", "--dry_run", "--published_weights", "only"]) == 0
    only = capsys.readouterr().out
    restored = every.count("from published weights")
    assert 0 < restored < every.count(" cells, after ")
    assert (only.count("from published weights"), only.count(" cells, ")) == (restored, restored)


def test_missing_data_are_named_with_the_download_of_the_data_set(tmp_path):
    model = plan.models(plan.with_flags(plan.load("nih"), data_root_dir=str(tmp_path / "none")))[0]
    assert f"(NIH: {tmp_path / 'none'}): download ChestX-ray14" in missing.missing_data_message(plan.load("nih"), model)
    assert "BBox_List_2017.csv" in missing.missing_data_message(plan.load("demo"), model)
    phantom = plan.models(plan.load("phantom"))[0]
    assert missing.missing_data_message(plan.load("phantom"), phantom) == ""
    scored = replace(phantom, trainings=model.trainings)
    assert f"(NIH: {tmp_path / 'none'}): " in missing.missing_data_message(plan.load("phantom"), scored)
