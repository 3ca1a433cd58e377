"""``python main.py`` as a user types it."""

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import main as run_command
from tests.warm import Running

ROOT = Path(run_command.__file__).parent
TINY = "--dataset phantom:train=48,val=24,test=24 --epochs 1 --img_size 64 --scheduler none --threads 1 --plots False"

pytestmark = pytest.mark.commands


@pytest.fixture
def typed(tmp_path, tmp_path_factory):
    """typed(words) -> exit status; runs, logs and cache lie in the test's folder."""

    def run(words):
        cache = tmp_path_factory.getbasetemp() / "command-cache"
        places = f"--model_save_dir {tmp_path}/train --log_dir {tmp_path}/logs --cache_dir {cache}"
        return run_command.main([*words.split(), *places.split()])

    return run


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run of the command in a folder of its own: where it stood, the run's folder, and what it said."""
    at = tmp_path_factory.mktemp("ran")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    done = Running("main.py", TINY.split(), cwd=at, env=environment).done()
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("run: ")]
    return at, at / line.removeprefix("run: "), done


def test_main_trains_on_the_phantom_without_a_gpu_and_says_where_the_run_lies(ran):
    """Pitfall: needs a GPU to import or load."""
    at, folder, done = ran
    assert "Warning" not in done.stderr
    assert folder.parent == at / "runs" / "train"
    assert json.loads((folder / "metrics.json").read_text())["test"]["n"] == 24
    assert "test: mean AUROC" in done.stdout


@pytest.mark.slow
def test_two_runs_of_the_same_flags_have_two_folders_and_the_same_predictions(typed, tmp_path):
    assert [typed(TINY), typed(TINY)] == [0, 0]
    first, second = sorted((tmp_path / "train").iterdir())
    assert (first / "predictions.csv").read_bytes() == (second / "predictions.csv").read_bytes()


def test_a_run_can_start_from_another_one_s_weights_with_its_own_log_file(typed, tmp_path, ran):
    assert typed(f"{TINY} --init_from {ran[1]} --train_on boxed --logtofile True") == 0
    assert "weights loaded" in next((tmp_path / "logs").glob("*.log")).read_text()
    assert len(list((tmp_path / "train").glob("*/metrics.json"))) == 1


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("--multi_label Flase", "'Flase'.*--multi_label.*True.*False"),
        ("--epohcs 3", "'--epohcs'.*'--epochs'"),
        ("--dataset NIH", "data/NIH.*images/"),
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
        ("--strategy foo", "'foo'.*--strategy.*auto, ddp"),
        ("--precision bf16-true", "'bf16-true'.*--precision.*16-mixed"),
        ("--logger", "--logger"),
    ],
)
def test_a_wrong_command_is_one_sentence_status_2_and_no_folder(typed, tmp_path, capsys, words, facts):
    small = words if "--dataset" in words else f"--dataset phantom:train=8,val=8,test=8 --img_size 96 --threads 1 {words}"
    assert typed(small) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(facts, errors[0])
    assert not (tmp_path / "train").exists()


def test_the_first_command_as_typed_says_where_it_looked_before_torch_is_imported(tmp_path):
    code = "import sys; import main; status = main.main(sys.argv[1:]); assert 'torch' not in sys.modules; sys.exit(status)"
    command = [sys.executable, "-c", code, "--dataset", "NIH", "--num_classes", "8", "--multi_label", "True"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOCUS_DATA": "mine"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.search(r"mine/NIH.*images/.*https://nihcc\.app\.box\.com", done.stderr)


def test_weights_out_of_reach_are_told_before_the_data_are_read(typed, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "labels.csv").write_text("no table at all")
    assert typed(f"--dataset folder --data_root_dir {tmp_path}/mine --pretrained True") == 2
    assert re.search("'densenet121'.*https://.*--pretrained False", capsys.readouterr().err)


def test_a_checkpoint_of_another_architecture_is_one_sentence(typed, tmp_path, ran, capsys):
    best = Path(shutil.copy(ran[1] / "best.ckpt", tmp_path))
    assert typed(f"{TINY} --backbone squeezenet1_1 --init_from {best}") == 2
    assert re.search(f"--init_from {best}.*squeezenet1_1", capsys.readouterr().err)
    best.write_bytes(best.read_bytes()[:1000])
    assert typed(f"{TINY} --init_from {best}") == 2
    assert f"error: {best}" in capsys.readouterr().err


def test_a_finished_run_takes_no_other_network_and_more_epochs(typed, tmp_path, ran, capsys):
    run = Path(shutil.copytree(ran[1], tmp_path / "train" / ran[1].name))
    assert typed(f"--resume {run}/last.ckpt --backbone resnet18") == 2
    assert re.search("--resume.*--backbone custom.*resnet18", capsys.readouterr().err)
    file = run / "provenance.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "processor": "another chip"}))
    assert typed(f"--resume {run} --epochs 2 --threads 1") == 0
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 2
    assert [machine["processor"] for machine in json.loads(file.read_text())["others"]] == ["another chip"]
    assert re.search("# before it was resumed: .*, another chip\n", (run / "config.yaml").read_text())


@pytest.mark.parametrize(("images", "limit"), [(49, 100_000), (48, 1_000_000)], ids=["cache", "checkpoint"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(typed, tmp_path, capsys, images, limit):
    words = TINY.replace("train=48", f"train={images}")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        status = typed(f"{words} --logger csv --plots False")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2
    assert os.strerror(errno.EFBIG) in capsys.readouterr().err
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


ONE = pytest.param("--num_classes 1 --multi_label False", marks=pytest.mark.slow)


@pytest.fixture
def some_of_nih(nih_sample, tmp_path):
    """Some of the images and what is known of them."""
    images = [line.split(",")[0] for line in (nih_sample / "Data_Entry_2017_v2020.csv").read_text().splitlines()[1:100]]
    (tmp_path / "NIH" / "images").mkdir(parents=True)
    for image in images:
        shutil.copy(nih_sample / "images" / image, tmp_path / "NIH" / "images")
    for name in ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt"):
        head, *lines = (nih_sample / name).read_text().splitlines()
        (tmp_path / "NIH" / name).write_text("\n".join([head, *(line for line in lines if line.split(",")[0] in images)]))
    return tmp_path / "NIH"


@pytest.mark.parametrize("task", ["--num_classes 8 --multi_label True", ONE])
def test_real_images_train(typed, tmp_path, some_of_nih, task):
    small = "--pretrained False --epochs 1 --backbone custom --img_size 64 --threads 1 --plots False"
    assert typed(f"--dataset NIH {task} --data_root_dir {some_of_nih} {small}") == 0
    metrics = json.loads(next((tmp_path / "train").glob("*/metrics.json")).read_text())
    assert metrics["test"]["n"] == len((some_of_nih / "test_list.txt").read_text().splitlines())
    assert len(metrics["test"]["findings"]) == int(task.split()[1])
