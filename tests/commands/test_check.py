"""``python -m benchmark.check method NAME`` as a user types it."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.commands
PLANTED = Path(__file__).parents[1] / "methods" / "planted.py"


def test_valid_method_passes_all_questions(succeed):
    told = succeed("benchmark.check", "method", "cam").stdout
    for words in ("cam passes all checks", "question", "batch"):
        assert words in told
    assert "a failure means" not in told, "meanings stand beside failures only"


def test_invalid_method_fails_with_status_1(run_command):
    done = run_command("benchmark.check", "method", f"{PLANTED}:BatchNormalised")
    assert done.returncode == 1, done.stderr
    assert "BatchNormalised fails: batch" in done.stdout
    assert "a failure means" in done.stdout
    assert "a map depends on the other images" in done.stdout
    assert "must be float32" not in done.stdout, "questions that pass have no meaning beside them"


def test_all_methods_are_listed_with_what_they_show_and_need(succeed):
    assert re.search(r"\| `gradcampp` .*Chattopadhay et al\., WACV 2018", succeed("benchmark.check", "methods").stdout)


def test_data_set_is_checked_and_its_page_written(succeed, tmp_path):
    done = succeed("benchmark.check", "dataset", "phantom:train=9,val=4,test=6", "--img_size", 64, "--output", tmp_path)
    assert "passes all checks" in done.stdout
    assert len(list(tmp_path.rglob("report.md"))) == 1


@pytest.mark.parametrize("kind", ["method", "model", "dataset"])
def test_help_of_each_kind_of_check_lists_its_flags(run_command, kind):
    done = run_command("benchmark.check", kind, "--help")
    assert (done.returncode, "--threads" in done.stdout or "--data_root_dir" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ([], "`method NAME`"),
        (["method", "gradcamp"], "'gradcamp'.*'gradcampp'"),
        (["dataset", "NHI"], "data set.*'NHI'.*'NIH'"),
        (["dataset", "folder"], r" data/folder .*labels\.csv"),
        (["method", "cam", "--thread", "3"], "'--thread'"),
    ],
)
def test_unknown_command_exits_with_status_2(run_command, sentence, words, facts):
    assert re.search(facts, sentence(run_command("benchmark.check", *words)))
