"""``python -m benchmark.run`` as a user types it, and what a kill leaves behind."""

import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from locus.benchmark import records

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.commands

AVG = {"backbone": "custom", "global_pool": "AVG"}
TINY = {"models": [AVG], "methods": ["cam", "ablationcam"], "protocols": ["single_box", "adaptive_threshold"]}
EXECUTOR = f"{ROOT}/examples/ray_executor.py:Ray"
UNTRAINABLE = {"train": {"dataset": "phantom:train=32,val=16,test=16"}, "protocols": ["pointing"]}


@pytest.fixture(scope="module")
def suites(write_suite, tmp_path_factory):
    folder, absent = tmp_path_factory.mktemp("suites"), {"dataset": "NIH", "data_root_dir": "nowhere/at/all", "num_classes": 8}
    write_suite(folder / "tiny.yaml", **TINY)
    write_suite(folder / "small.yaml", {"epochs": 2}, models=[{**AVG, "global_pool": ["AVG", "PCAM"]}])
    write_suite(folder / "long.yaml", {"epochs": 1000}, models=[AVG])
    write_suite(folder / "absent.yaml", absent, how_to_get="ask the clinic")
    write_suite(folder / "untrainable.yaml", models=[{"backbone": "resnet1888"}, {"backbone": "custom"}], **UNTRAINABLE)
    return folder


@pytest.fixture(scope="module")
def flags(suites, tmp_path_factory):
    """flags(folder): a run in ``folder``, all with the same cache of pixels."""
    cache = tmp_path_factory.mktemp("cache")
    words = ["--cache_dir", cache, "--threads", "1"]
    return lambda at, suites=suites: ["--suites", suites, "--results", at / "results", "--runs", at / "runs", *words]


@pytest.fixture(scope="module")
def undisturbed(succeed, flags, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, succeed("benchmark.run", "--suite", "tiny", *flags(folder))


def recorded(folder, suite):
    """Key -> every record of a suite without what a clock wrote."""
    found = records.load(folder / "results" / suite) if (folder / "results" / suite).exists() else []
    return {record.key: record.model_dump(mode="json", exclude={"created", "seconds"}) for record in found}


def content(folder):
    return recorded(folder, "tiny")


def test_a_suite_ends_in_records_tables_and_an_index(undisturbed):
    folder, done = undisturbed
    made = {path.name for path in (folder / "results/tiny").iterdir()}
    packed = {"records.parquet", "cells.parquet", "cases.parquet"}
    assert made == {"index.html", "leaderboard.md", "leaderboard.csv", "leaderboard.tex", "examples.svg", *packed}
    assert not list((folder / "runs/records/tiny").glob("*.json"))
    assert (folder / "results/README.md").exists()
    assert "Best: " in done.stdout
    cells = [record["cell"] for record in content(folder).values()]
    assert {"cam", "ablationcam", "center", "prior", "noise", "truth", "classifier"} <= {cell["method"] for cell in cells}
    assert {cell["alignment"] for cell in cells} == {"aligned"}


def test_a_second_run_regenerates_the_same_bytes_and_runs_nothing(run_command, flags, undisturbed):
    folder, _ = undisturbed
    before = {path: path.read_bytes() for path in (folder / "results").rglob("*") if path.is_file()}
    done = run_command("benchmark.run", "--suite", "tiny", *flags(folder))
    assert "0 cells to run" in done.stdout
    assert {path: path.read_bytes() for path in (folder / "results").rglob("*") if path.is_file()} == before


def test_a_record_counts_as_done_without_its_checkpoint_and_maps(run_command, flags, undisturbed, tmp_path):
    folder, _ = undisturbed
    words = flags(folder)
    words[words.index("--runs") + 1] = tmp_path / "no runs"
    assert "0 cells to run" in run_command("benchmark.run", "--suite", "tiny", *words).stdout


@pytest.fixture(scope="module")
def small(succeed, flags, tmp_path_factory):
    """A finished suite of two models under one protocol."""
    folder = tmp_path_factory.mktemp("small")
    succeed("benchmark.run", "--suite", "small", *flags(folder))
    return folder


def two_jobs(started, words, folder, *more):
    """A run of two jobs at a time, both of which are at work."""
    running = started("benchmark.run", *words, "--jobs", "2", *more)
    while len(list(folder.glob("runs/small/*/last.ckpt"))) < 2 and running.poll() is None:
        time.sleep(0.005)
    return running


@pytest.mark.parametrize(
    ("number", "more", "words"), [(signal.SIGINT, (), "error: interrupted"), (signal.SIGTERM, ("--jobs", "2"), "stopped")]
)
def test_an_interrupted_run_says_that_the_same_command_continues_it(started, flags, tmp_path, number, more, words):
    command = ["--suite", "long", *flags(tmp_path), *more]
    running = started("benchmark.run", *command)
    while not any(tmp_path.glob("runs/long/*/last.ckpt")) and running.poll() is None:
        time.sleep(0.005)
    running.send_signal(number)
    done = running.done()
    assert done.returncode == 128 + number
    *_, stopped, last = done.stderr.splitlines()
    assert re.search(r"stopped in epoch \d+.*: run the same command again to continue", stopped)
    assert last.startswith(f"{words}: run the same command again to continue")
    assert "--resume" not in done.stderr


@pytest.mark.slow
def test_a_node_that_is_taken_out_of_ray_costs_no_record(started, flags, small, tmp_path):
    pytest.importorskip("ray", reason="needs Ray: pip install ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        second = cluster.add_node(num_cpus=1)
        words = ["--suite", "small", *flags(tmp_path)]
        running = two_jobs(started, words, tmp_path, "--executor", f"{EXECUTOR}:address={cluster.address}")
        cluster.remove_node(second, allow_graceful=False)
        done = running.done()
        assert done.returncode == 0, done.stderr
        assert recorded(tmp_path, "small") == recorded(small, "small")
    finally:
        cluster.shutdown()


def test_a_dry_run_says_what_would_run_and_writes_nothing(run_command, flags, tmp_path):
    done = run_command("benchmark.run", "--suite", "tiny", "--dry_run", *flags(tmp_path))
    assert "16 cells to run for 1 model" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_suite_without_its_data_says_how_to_get_them_and_writes_nothing(run_command, flags, tmp_path, sentence):
    done = run_command("benchmark.run", "--suite", "absent", *flags(tmp_path))
    assert "ask the clinic" in sentence(done)
    assert not (tmp_path / "results").exists()


@pytest.fixture(scope="module")
def half(run_command, flags, tmp_path_factory):
    """A suite that ran, one of whose two models could not, and what was said."""
    folder = tmp_path_factory.mktemp("half")
    return folder, run_command("benchmark.run", "--suite", "untrainable", *flags(folder))


@pytest.fixture
def copy(half, write_suite, flags, tmp_path):
    """A copy of it in the test's folder whose other model alone is planned, and the words that run it."""
    shutil.copytree(half[0], tmp_path, dirs_exist_ok=True)
    write_suite(tmp_path / "untrainable.yaml", **UNTRAINABLE)
    return ["benchmark.run", "--suite", "untrainable", *flags(tmp_path, tmp_path)]


def test_a_model_that_cannot_run_leaves_records_with_the_reason_and_the_others_go_on(half, sentence):
    folder, done = half
    assert " except 1, " in sentence(done)
    every = recorded(folder, "untrainable").values()
    failed = [record for record in every if record["status"] == "failed"]
    assert {record["cell"]["backbone"] for record in failed} == {"resnet1888"}
    assert all("'resnet1888'" in record["reason"] for record in failed)
    assert len(failed) == len(every) / 2
    assert "resnet1888" in (folder / "results/untrainable/leaderboard.md").read_text()


MINE = "import locus\nclass Mine(locus.GradientMethod):\n    name = 'mine'\n    def weights(self, A, G): return G.square()\n"


def test_a_method_in_a_file_that_breaks_fails_alone_and_mended_is_a_row_of_the_suite_that_lists_it(run_command, copy, tmp_path):
    (tmp_path / "mine.py").write_text(MINE.replace("return G.square()", "raise RuntimeError('out of luck')"))
    file = tmp_path / "untrainable.yaml"
    file.write_text(file.read_text().replace("[cam]", f"[cam, '{tmp_path}/mine.py:Mine']").replace("[pointing]", "[single_box]"))

    def status():
        kept = [record for record in recorded(tmp_path, "untrainable").values() if record["cell"]["backbone"] == "custom"]
        return {Path(record["cell"]["method"]).name: (record["status"], record["method_name"]) for record in kept}

    done = run_command(*copy, "--trust")
    assert done.returncode == 1, done.stderr
    assert "out of luck" in done.stdout
    assert {method for method, (found, _) in status().items() if found == "failed"} == {"mine.py:Mine"}
    assert "1 cell to run" in run_command(*copy, "--trust", "--dry_run").stdout
    (tmp_path / "mine.py").write_text(MINE)
    assert run_command(*copy, "--trust").returncode == 0
    assert {found for found, _ in status().values()} - {"n/a"} == {"ok"}  # fixed_box needs more patients
    assert status()["mine.py:Mine"] == ("ok", "mine")
    table = (tmp_path / "results/untrainable/leaderboard.md").read_text()
    assert "| mine |" in table
    assert "mine.py" not in table


def test_one_command_ranks_a_new_method_and_its_rows_stay(run_command, flags, undisturbed, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed[0], folder)
    (tmp_path / "mine.py").write_text(MINE)
    before = content(folder)
    done = run_command("benchmark.run", "--suite", "tiny", "--method", f"{tmp_path}/mine.py:Mine", *flags(folder))
    assert done.returncode == 0, done.stderr
    assert "2 cells to run for 1 model" in done.stdout
    (yours,) = [line for line in done.stdout.splitlines() if line.startswith("Yours: mine on small CNN with AVG")]
    assert "2 other rows" in yours
    assert "| mine |" in (folder / "results/tiny/leaderboard.md").read_text()
    after = content(folder)
    assert after.items() >= before.items()
    assert {record["cell"]["method"] for name, record in after.items() if name not in before} == {f"{tmp_path}/mine.py:Mine"}
    assert "0 cells to run" in run_command("benchmark.run", "--suite", "tiny", *flags(folder)).stdout
    assert content(folder) == after


@pytest.mark.parametrize(
    ("fields", "facts"),
    [({"protocols": ["wnag"]}, "protocol.*'wnag'.*'wang'"), ({"protocol": ["wang"]}, "field of the suite .*protocol.*title, about")],
)
def test_a_mistake_in_a_suite_is_told_before_anything_runs(run_command, sentence, write_suite, flags, tmp_path, fields, facts):
    write_suite(tmp_path / "wrong.yaml", **{**TINY, **fields})
    words = flags(tmp_path, tmp_path)
    assert re.search(facts, sentence(run_command("benchmark.run", "--suite", "wrong", *words)))
    assert not (tmp_path / "runs").exists()


def test_missing_suites_data_and_broken_records_are_a_sentence(run_command, sentence, flags, tmp_path):
    def told(*words, **of_suites):
        return sentence(run_command("benchmark.run", *flags(tmp_path, **of_suites), *words))

    assert f"{tmp_path} has no suite" in told("--all", suites=tmp_path)
    assert re.search("suite.*'tine'.*'tiny'", told("--suite", "tine"))
    assert re.search("--all.*--suite NAME", told())
    assert f"{tmp_path}/nowhere" in told("--suite", "nih", "--data_root_dir", tmp_path / "nowhere", suites=ROOT / "configs/suites")
    assert not (tmp_path / "results").exists()
    (tmp_path / "runs/records/tiny").mkdir(parents=True)
    (tmp_path / "runs/records/tiny/x.json").write_text('{"half": ')
    assert "x.json" in told("--suite", "tiny")
