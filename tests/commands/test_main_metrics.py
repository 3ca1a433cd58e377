"""``python main.py`` says how well a run ranks, and says the same when asked again."""

import json
import re

import pytest

import main as run_command

pytestmark = pytest.mark.commands
TINY = "--dataset phantom:train=48,val=40,test=40 --epochs 1 --img_size 64 --threads 1 --logger csv --plots False"
LINES = r"val: mean AUROC (0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]) over 40 images\ntest: mean AUROC (0\.\d{3} \[.*\]) over 40 images\nrun: (.*)\n"


@pytest.fixture
def typed(tmp_path, tmp_path_factory):
    """typed(words) -> exit status; runs, logs and cache lie in the test's folder."""

    def run(words):
        cache = tmp_path_factory.getbasetemp() / "metrics-cache"
        return run_command.main([*words.split(), *f"--log_dir {tmp_path}/logs --cache_dir {cache}".split()])

    return run


CHOSEN = pytest.param("--multi_label True --threshold_choice f1", marks=pytest.mark.slow)


@pytest.mark.parametrize("task", ["--multi_label True", "--multi_label False", CHOSEN])
def test_a_run_is_told_in_three_lines_and_evaluated_again_in_the_same(typed, tmp_path, capsys, task):
    assert typed(f"{TINY} {task} --model_save_dir {tmp_path}/train") == 0
    told = capsys.readouterr().out
    shown = re.fullmatch(LINES, told)
    assert shown, told
    run = next((tmp_path / "train").iterdir())
    assert shown[3] == str(run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert typed(f"--evaluate {run}") == 0
    assert capsys.readouterr().out == told
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    found = json.loads(before["metrics.json"])
    assert ("confusion_matrix" in found["test"]) == ("False" in task)
    assert {row["choice"] for row in found.get("thresholds", {}).values()} == (
        {"f1"} if "f1" in task else set() if "False" in task else {"youden"}
    )


def test_a_run_of_an_earlier_version_is_told_without_intervals(typed, tmp_path, capsys):
    assert typed(f"{TINY} --model_save_dir {tmp_path}/train") == 0
    run = next((tmp_path / "train").iterdir())
    found = json.loads((run / "metrics.json").read_text())
    for split in ("val", "test"):
        rows = {name: {key: row[key] for key in ("auroc", "ap", "n", "positives")} for name, row in found[split]["findings"].items()}
        found[split] = {**{key: found[split][key] for key in ("mean_auroc", "mean_ap", "n")}, "findings": rows}
    (run / "metrics.json").write_text(json.dumps({key: found[key] for key in ("best_epoch", "epochs", "train", "val", "test", "data")}))
    capsys.readouterr()
    assert typed(f"--resume {run}") == 0
    assert re.match(r"val: mean AUROC 0\.\d{3} over 40 images\n", capsys.readouterr().out)


def test_what_cannot_be_evaluated_again_is_one_sentence(typed, tmp_path, capsys):
    assert typed(f"--evaluate {tmp_path}") == 2
    assert re.search(rf"--evaluate {tmp_path}.*metrics\.json", capsys.readouterr().err)
    assert typed(f"--evaluate {tmp_path} --threshold_choice best") == 2
    assert "youden" in capsys.readouterr().err
