"""``python main.py`` as a user types it."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest

TINY = "--dataset phantom:train=48,val=24,test=24 --epochs 1 --img_size 64 --scheduler none --plots False"
LINES = r"val: mean AUROC (0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]) over 24 images\ntest: mean AUROC (0\.\d{3} \[.*\]) over 24 images\nrun: (.*)\n"

pytestmark = pytest.mark.commands


@pytest.fixture(scope="module")
def ran(succeed, tmp_path_factory):
    """The folder of a run of the command in a working directory of its own, and the output."""
    at = tmp_path_factory.mktemp("ran")
    done = succeed("main.py", *TINY.split(), cwd=at)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("run: runs/train/")]
    return at / line.removeprefix("run: "), done


def test_main_trains_on_the_phantom_without_a_gpu_and_says_where_the_run_lies(ran):
    """Pitfall: needs a GPU to import or load."""
    folder, done = ran
    assert "Warning" not in done.stderr
    assert json.loads((folder / "metrics.json").read_text())["test"]["n"] == 24
    assert "test: mean AUROC" in done.stdout


def test_a_run_can_start_from_another_one_s_weights_with_its_own_log_file(train, tmp_path, ran):
    assert train(f"{TINY} --init_from {ran[0]} --train_on boxed --logtofile True") == 0
    assert "weights loaded" in next((tmp_path / "logs").glob("*.log")).read_text()
    assert len(list((tmp_path / "train").glob("*/metrics.json"))) == 1


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("--multi_label Flase", "'Flase'.*--multi_label.*True.*False"),
        ("--epohcs 3", "'--epohcs'.*'--epochs'"),
        ("--dataset NIH", r"mine/NIH.*images/.*https://nihcc\.app\.box\.com"),
        ("--dataset NIH --data_root_dir absent/root", "absent/root"),
        ("--dataset phantom --num_classes 5", "phantom.* 5 .* 8$"),
        ("--backbone resnet19", "'resnet19'.*'resnet18'"),
        ("--init_from absent.ckpt", r"'absent\.ckpt'.*run folder"),
        ("--resume absent/last.ckpt", "absent/last.ckpt"),
        ("--resume True", "--resume True.*/train"),
        ("--config absent.yaml", "absent.yaml"),
        ("--partition kfold --fold 7", "fold.* 7.* 4$"),
        ("--augment lihgt", "'lihgt'.*'light'"),
        ("--pretrained Flase", "'Flase'.*--pretrained.*'False'.*densenet121-res224-all"),
        ("--pretrained densenet121-res224-nih", "--pretrained densenet121-res224-nih.*--backbone densenet121.*custom"),
        ("--loss focal:gama=2", "loss.*'focal'.*'gama'.*gamma$"),
        ("--loss focal --multi_label False", "--loss focal.*--multi_label False.* ce$"),
        ("--strategy foo", "--strategy foo.*--strategy auto$"),
        ("--precision bf16-true", "'bf16-true'.*--precision.*16-mixed"),
        ("--logger", "--logger"),
    ],
)
def test_a_wrong_command_is_one_sentence_status_2_and_no_folder(refused, tmp_path, monkeypatch, words, facts):
    monkeypatch.setenv("LOCUS_DATA", "mine")
    small = words if "--dataset" in words else f"--dataset phantom:train=8,val=8,test=8 --img_size 96 {words}"
    assert re.search(facts, refused(small))
    assert not (tmp_path / "train").exists()


def test_weights_out_of_reach_are_told_before_the_data_are_read(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "labels.csv").write_text("no table at all")
    told = refused(f"--dataset folder --data_root_dir {tmp_path}/mine --pretrained True")
    assert re.search("'densenet121'.*https://.*--pretrained False", told)


def test_a_checkpoint_of_another_architecture_is_one_sentence(refused, tmp_path, ran):
    best = Path(shutil.copy(ran[0] / "best.ckpt", tmp_path))
    assert re.search(f"--init_from {best}.*squeezenet1_1", refused(f"{TINY} --backbone squeezenet1_1 --init_from {best}"))
    best.write_bytes(best.read_bytes()[:1000])
    assert f"error: {best}" in refused(f"{TINY} --init_from {best}")


def test_a_finished_run_takes_no_other_network_and_more_epochs(train, refused, tmp_path, ran):
    run = Path(shutil.copytree(ran[0], tmp_path / "train" / ran[0].name))
    assert re.search("--resume.*--backbone custom.*resnet18", refused(f"--resume {run}/last.ckpt --backbone resnet18"))
    file = run / "provenance.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "processor": "another chip"}))
    assert train(f"--resume {run} --epochs 2") == 0
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 2
    assert [machine["processor"] for machine in json.loads(file.read_text())["others"]] == ["another chip"]
    assert re.search("# before it was resumed: .*, another chip\n", (run / "config.yaml").read_text())


@pytest.mark.parametrize(("images", "limit"), [(49, 100_000), (48, 1_000_000)], ids=["cache", "checkpoint"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(refused, file_limit, tmp_path, images, limit):
    with file_limit(limit):
        told = refused(f"{TINY.replace('train=48', f'train={images}')} --logger csv")
    assert os.strerror(errno.EFBIG) in told
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


ONE = pytest.param("--num_classes 1 --multi_label False", marks=pytest.mark.slow)


@pytest.fixture
def some_of_nih(nih_sample, tmp_path):
    """Some of the images and what is known of them."""
    images = [line.split(",")[0] for line in (nih_sample / "Data_Entry_2017_v2020.csv").read_text().splitlines()[1:100]]
    (tmp_path / "images").mkdir()
    for image in images:
        shutil.copy(nih_sample / "images" / image, tmp_path / "images")
    for name in ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt"):
        head, *lines = (nih_sample / name).read_text().splitlines()
        (tmp_path / name).write_text("\n".join([head, *(line for line in lines if line.split(",")[0] in images)]))
    return tmp_path


@pytest.mark.parametrize("task", ["--num_classes 8 --multi_label True", ONE])
def test_real_images_train(train, tmp_path, some_of_nih, task):
    small = "--pretrained False --epochs 1 --backbone custom --img_size 64 --plots False"
    assert train(f"--dataset NIH {task} --data_root_dir {some_of_nih} {small}") == 0
    metrics = json.loads(next((tmp_path / "train").glob("*/metrics.json")).read_text())
    assert metrics["test"]["n"] == len((some_of_nih / "test_list.txt").read_text().splitlines())
    assert len(metrics["test"]["findings"]) == int(task.split()[1])


CHOSEN = pytest.param("--multi_label True --threshold_choice f1", {"f1"}, marks=pytest.mark.slow)


@pytest.mark.parametrize(("task", "choices"), [("--multi_label True", {"youden"}), ("--multi_label False", set()), CHOSEN])
def test_a_run_is_told_in_three_lines_and_evaluated_again_in_the_same(train, tmp_path, capsys, task, choices):
    assert train(f"{TINY} --logger csv {task}") == 0
    told = capsys.readouterr().out
    (run,) = (tmp_path / "train").iterdir()
    assert re.fullmatch(LINES, told)[3] == str(run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert train(f"--evaluate {run}") == 0
    assert capsys.readouterr().out == told
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    found = json.loads(before["metrics.json"])
    assert ("confusion_matrix" in found["test"]) == ("False" in task)
    assert {row["choice"] for row in found.get("thresholds", {}).values()} == choices


def test_what_cannot_be_evaluated_again_is_one_sentence(refused, tmp_path):
    assert re.search(rf"--evaluate {tmp_path}.*metrics\.json", refused(f"--evaluate {tmp_path}"))
    assert "youden" in refused(f"--evaluate {tmp_path} --threshold_choice best")
