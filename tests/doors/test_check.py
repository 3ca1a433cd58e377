"""``python -m benchmark.check method NAME`` as a user types it."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.doors
PLANTED = Path(__file__).parents[1] / "methods" / "planted.py"


def test_a_method_that_keeps_the_contract_is_told_so_question_by_question(door):
    done = door("benchmark.check", "method", "cam")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cam keeps the contract" in done.stdout
    for words in ("question", "a failure means", "batch", "not judged"):
        assert words in done.stdout


def test_a_method_with_a_mistake_fails_with_status_1_and_what_it_means(door):
    done = door("benchmark.check", "method", f"{PLANTED}:BatchNormalised")
    assert done.returncode == 1, done.stderr
    assert "BatchNormalised fails: batch" in done.stdout
    assert "a map depends on its neighbours" in done.stdout


def test_all_methods_are_listed_with_what_they_show_and_need(door):
    done = door("benchmark.check", "methods")
    assert done.returncode == 0, done.stderr
    assert "| `gradcampp` " in done.stdout
    assert "Chattopadhay et al., WACV 2018" in done.stdout


def test_a_data_set_is_examined_and_its_page_written(door, tmp_path):
    done = door("benchmark.check", "dataset", "phantom:train=9,val=4,test=6", "--img_size", 64, "--output", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is wrong" in done.stdout
    assert len(list(tmp_path.rglob("samples.png"))) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "nothing to check: write `method NAME`"),
        (["gradcam"], "'gradcam' cannot be checked: write `method NAME`"),
        (["method"], "--method needs at least one value"),
        (["method", "gradcamp"], "unknown method 'gradcamp': did you mean 'gradcampp'"),
        (["method", "absent.py:X"], "no file 'absent.py'"),
        (["method", "noise:sede=3"], "'noise' has no option 'sede'; it has: seed"),
        (["dataset"], "no data set given: write `method NAME`"),
        (["dataset", "NHI"], "unknown dataset 'NHI': did you mean 'NIH'"),
        (["dataset", "NIH", "--root", "nowhere"], "there is no folder nowhere: expected images/"),
        (
            ["dataset", "folder"],
            "there is no folder data/folder: expected labels.csv",
        ),
        (["method", "cam", "--thread", "3"], "unknown flag '--thread'"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_status_2(door, sentence, words, told):
    assert told in sentence(door("benchmark.check", *words))
