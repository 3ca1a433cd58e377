"""The suites of the validity checks as a user runs them, on a phantom too small to mean anything."""

import csv
import re
from pathlib import Path

import pytest

from locus.benchmark.records import load

pytestmark = pytest.mark.commands

DATA = {"dataset": "phantom:train=32,val=16,test=24,prevalence=0.4"}
SUITES = {
    "controls": {"images": 6, "methods": ["cam", "pcam", "center", "noise"]},
    "protocols": {"training_runs_of": "controls", "methods": ["cam", "layercam"]},
}
COMMON = {"models": [{"backbone": "custom", "global_pool": "AVG"}], "protocols": None}


@pytest.fixture(scope="module")
def run(run_command, write_suite, tmp_path_factory):
    folder = tmp_path_factory.mktemp("validity")
    (folder / "suites").mkdir()
    for name, own in SUITES.items():
        write_suite(folder / "suites" / f"{name}.yaml", DATA, check=name, **COMMON, **own)
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
    question, table, *_ = [line for line in page.splitlines() if line.startswith(("**", "## "))]
    assert question.endswith("?**")
    assert {"protocols": "rules", "controls": "small CNN with AVG"}[suite] in table
    assert r"\toprule" in (folder / "leaderboard.tex").read_text()
    lines = list(csv.DictReader((folder / "leaderboard.csv").open()))
    scored = {r["cell"]["method"] for r in records(run[0], suite) if r["cell"]["protocol"] == suite and r["scores"]}
    assert {line["method"] for line in lines} == scored


@pytest.mark.parametrize("suite", SUITES)
def test_each_method_and_the_classifier_have_a_record_and_an_unsupported_method_a_reason(run, suite):
    result = {(r["cell"]["method"], r["cell"]["protocol"]): r for r in records(run[0], suite)}
    assert set(result) == {("classifier", "classification"), *((method, suite) for method in SUITES[suite]["methods"])}
    assert {r["status"] for (method, _), r in result.items() if method != "pcam"} == {"ok"}
    reasons = [(r["status"], "PCAM" in r["reason"]) for (method, _), r in result.items() if method == "pcam"]
    assert reasons == [("n/a", True)] * (suite == "controls")


def test_maps_that_ignore_weights_and_class_stay_and_questions_without_an_answer_have_a_reason(run):
    result = {r.cell.method: r for r in load(run[0] / "results/controls") if r.cell.protocol == "controls"}
    assert result["center"].find("weights").value == result["noise"].find("weights").value == 1
    assert result["center"].find("class").value == 0
    assert "implanted" in result["cam"].find("use").reason
    assert "trained" in result["cam"].find("marker").reason


def test_training_runs_of_another_suite_are_reused(run):
    runs = run[0] / "runs"
    assert {path.name for path in runs.iterdir()} == {"controls", "records"}
    assert len(list(runs.glob("controls/custom-*"))) == 1


def test_second_run_changes_nothing(run, run_command):
    folder, _, command = run
    before = {path: path.read_bytes() for path in Path(folder / "results").rglob("*") if path.is_file()}
    done = run_command(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("0 cells to run") == len(SUITES)
    assert {path: path.read_bytes() for path in Path(folder / "results").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({"check": "sanity"}, "check.*'sanity'.*controls"),
        ({"check": "controls", "protocols": ["single_box"]}, r"wrong\.yaml: .*check.*protocols"),
        ({"training_runs_of": "nowhere"}, "suite.*'nowhere'"),
    ],
)
def test_wrong_field_is_an_error(run_command, sentence, write_suite, tmp_path, fields, facts):
    write_suite(tmp_path / "wrong.yaml", DATA, **{**COMMON, **fields})
    places = ["--suites", tmp_path, "--results", tmp_path / "results", "--runs", tmp_path / "runs"]
    assert re.search(facts, sentence(run_command("benchmark.run", "--suite", "wrong", *places)))


NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))

def build():
    return Net()
"""


@pytest.mark.parametrize("kind", ["checkpoint", "model"])
def test_a_network_of_ones_own_has_rows_of_the_check(run, run_command, tmp_path, kind):
    folder = run[0]
    (tmp_path / "net.py").write_text(NET)
    own = {"checkpoint": next(folder.glob("runs/controls/custom-*/best.ckpt")), "model": f"{tmp_path / 'net.py'}:build"}[kind]
    places = ["--suites", folder / "suites", "--results", tmp_path / "results", "--runs", folder / "runs", "--cache_dir", folder / "cache"]
    network = [f"--{kind}", own, "--entry", "Mine", "--method", "cam", "--threads", "1"]
    done = run_command("benchmark.run", "--suite", "controls", *places, *network)
    assert done.returncode == 0, done.stderr
    (record,) = [
        r for r in load(tmp_path / "results/controls") if (r.method, r.cell.protocol, r.cell.backbone) == ("cam", "controls", "Mine")
    ]
    assert record.status == "ok"
    assert all(record.find(name).value is not None for name in ("own", "swap", "weights"))
    assert "trained" in record.find("marker").reason
