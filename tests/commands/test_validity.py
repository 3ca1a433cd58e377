"""The suites of the validity checks as a user runs them, on a phantom too small to mean anything."""

import csv
import re
from pathlib import Path

import pytest

from benchmark.records import load

pytestmark = pytest.mark.commands

COMMON = """
about: Too small to mean anything.
train:
  {dataset: "phantom:train=32,val=16,test=24,prevalence=0.4", img_size: 64, epochs: 1,
   threads: 1, logger: [csv], plots: false, pretrained: false}
models: [{backbone: custom, global_pool: AVG}]
"""
SUITES = {
    "randomised": "check: randomised\nimages: 6\nmethods: [cam, pcam, center, noise]",
    "alignment": "check: alignment\ntraining_runs_of: randomised\nmethods: [cam]",
    "faithfulness": "check: faithfulness\ntraining_runs_of: randomised\nimages: 3\nmethods: [cam, layercam]",
}
MEANT_WRONG = {
    "images: 12": r"wrong\.yaml: `images`.*check",
    "check: sanity": "check.*'sanity'.*alignment",
    "check: alignment\nconventional: [locus]": r"wrong\.yaml: .*check.*protocols.*conventional",
    "training_runs_of: nowhere": "suite.*'nowhere'",
}


@pytest.fixture(scope="module")
def run(run_command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("validity")
    (folder / "suites").mkdir()
    for name, own in SUITES.items():
        (folder / "suites" / f"{name}.yaml").write_text(f"title: {name}\n{COMMON}\n{own}\n")
    flags = ["--suites", folder / "suites", "--results", folder / "results", "--runs", folder / "runs", "--cache_dir", folder / "cache"]
    command = ["benchmark.run", "--suite", *SUITES, *flags, "--threads", "1"]
    done = run_command(*command)
    assert done.returncode == 0, done.stderr
    return folder, done, command


def records(folder, suite):
    return [record.model_dump(mode="json") for record in load(folder / "results" / suite)]


@pytest.mark.parametrize("suite", SUITES)
def test_answer_and_tables_of_the_check_come_first_in_all_formats(run, suite):
    folder = run[0] / "results" / suite
    page = (folder / "leaderboard.md").read_text()
    answer, table, *_ = [line for line in page.splitlines() if line.startswith("## ")]
    assert answer.endswith("?")
    assert {"alignment": "exact grid"}.get(suite, suite) in table
    assert r"\toprule" in (folder / "leaderboard.tex").read_text()
    lines = list(csv.DictReader((folder / "leaderboard.csv").open()))
    scored = {r["cell"]["method"] for r in records(run[0], suite) if r["cell"]["protocol"] == suite and r["scores"]}
    assert {line["method"] for line in lines} == scored


@pytest.mark.parametrize("suite", SUITES)
def test_each_method_and_the_classifier_have_a_record(run, suite):
    result = {(r["cell"]["method"], r["cell"]["protocol"]): r for r in records(run[0], suite)}
    asked = SUITES[suite].split("[")[1].strip("]").split(", ")
    assert set(result) == {("classifier", "classification"), *((method, suite) for method in asked)}
    assert {r["status"] for (method, _), r in result.items() if method != "pcam"} == {"ok"}


def test_unsupported_method_has_a_reason(run):
    pcam = next(r for r in records(run[0], "randomised") if r["cell"]["method"] == "pcam")
    assert pcam["status"] == "n/a"
    assert "PCAM" in pcam["reason"]


def test_method_that_ignores_the_weights_is_marked(run):
    page = (run[0] / "results/randomised/leaderboard.md").read_text()
    marked = {line.split("|")[3].strip() for line in page.splitlines() if "does not change; hits stay |" in line}
    assert {"center", "noise"} <= marked


def test_training_runs_of_another_suite_are_reused(run):
    runs = run[0] / "runs"
    assert {path.name for path in runs.iterdir()} == {"randomised", "records"}
    assert len(list(runs.glob("randomised/custom-*"))) == 1


def test_second_run_changes_nothing(run, run_command):
    folder, _, command = run
    before = {path: path.read_bytes() for path in Path(folder / "results").rglob("*") if path.is_file()}
    done = run_command(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("0 cells to run") == len(SUITES)
    assert {path: path.read_bytes() for path in Path(folder / "results").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("field", MEANT_WRONG)
def test_wrong_field_is_an_error(run_command, tmp_path, field):
    (tmp_path / "wrong.yaml").write_text(f"title: W\n{COMMON}\nmethods: [cam]\n{field}\n")
    done = run_command(
        "benchmark.run", "--suite", "wrong", "--suites", tmp_path, "--results", tmp_path / "results", "--runs", tmp_path / "runs"
    )
    assert done.returncode == 2
    assert re.search(MEANT_WRONG[field], done.stderr)
    assert "Traceback" not in done.stderr
