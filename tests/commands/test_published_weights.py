"""Published weights and own runs on a user's images: those of training patients are left out, the others are scored."""

import csv
import shutil
from pathlib import Path

import pytest
import yaml

import locus
from locus import train as main
from locus.benchmark import opening, records, run

pytestmark = pytest.mark.commands
WEIGHTS = Path(__file__).resolve().parents[2] / "results/nih-heldout/weights"
FILES = [str(WEIGHTS / f"custom-PCAM-128px-seed{seed}.safetensors") for seed in (0, 1)]
PHANTOM = "phantom:train=16,val=8,test=16"


def write_nih(root: Path, rows: list[list[str]], head: list[str], images: Path) -> Path:
    """Write NIH's layout with these rows of its table, all official test images, each with a made-up box."""
    (root / "images").mkdir(parents=True)
    names = [row[0] for row in rows]
    for name in names:
        shutil.copy(images / name, root / "images")
    boxes = [[row[0], next(f for f in row[1].split("|") if f in locus.load(FILES[0]).findings)] for row in rows]
    tables = {"Data_Entry_2017_v2020.csv": [head, *rows]}
    tables["BBox_List_2017.csv"] = [["Image Index", "Finding Label", "Bbox [x,y,w,h]", "", "", ""]]
    tables["BBox_List_2017.csv"] += [[*box, "200", str(300 + 9 * n), "400", "300"] for n, box in enumerate(boxes)]
    for name, content in tables.items():
        with (root / name).open("w", newline="") as file:
            csv.writer(file).writerows(content)
    (root / "train_val_list.txt").touch()
    (root / "test_list.txt").write_text("\n".join(names))
    return root


@pytest.fixture(scope="module")
def folder(nih_extra, nih_sample, tmp_path_factory):
    """Folders of images that are not training images: of other patients and of training patients (mixed), or the last."""
    folder = tmp_path_factory.mktemp("published")
    with (nih_extra / "Data_Entry_2017_v2020.csv").open() as file:
        head, *rows = csv.reader(file)
    findings = {*locus.load(FILES[0]).findings}
    rows = [row for row in rows if findings & {*row[1].split("|")} and (nih_extra / "images" / row[0]).exists()]
    seen = {path.name[:8] for path in (nih_sample / "images").iterdir()}
    of_seen, others = ([row for row in rows if (row[0][:8] in seen) == flag][:n] for flag, n in ((True, 3), (False, 8)))
    write_nih(folder / "mixed", [*of_seen, *others], head, nih_extra / "images")
    write_nih(folder / "seen", of_seen, head, nih_extra / "images")
    return folder


def suite(folder, data, *more):
    train = {"dataset": data, "num_classes": 8, "img_size": 64, "pretrained": False}
    content = {"title": "t", "about": "a", "train": train, "models": [{"backbone": "custom"}], "methods": ["cam"]}
    (folder / "own.yaml").write_text(yaml.safe_dump({**content, "protocols": ["single_box"]}))
    where = ["--suites", folder, "--runs", folder / "runs", "--cache_dir", folder / "cache", "--threads", "1"]
    return run.main([*map(str, ["--suite", "own", *where, *more])])


def scored(results):
    """Return the hits of cam by training run, and the numbers of test images."""
    found = [r for r in records.load(results / "own") if (r.cell.method, r.cell.protocol) == ("cam", "single_box")]
    return hits(found), {r.rests_on["test images"] for r in found}


def hits(found):
    return sorted((s.finding, s.metric, s.value) for r in found for s in r.scores if s.metric.startswith("hit@iou.3"))


def test_published_weights_are_scored_on_other_images_as_locus_evaluate_scores_them(folder, tmp_path, caplog):
    more = ["--data_root_dir", folder / "mixed", "--entry", "final", "--results", tmp_path]
    assert suite(folder, "NIH", "--checkpoint", *FILES, *more) == 0
    values, images = scored(tmp_path)
    assert images == {8}
    assert [r.message for r in caplog.records if "left out" in r.message] == [
        "NIH: left out 3 of 11 images, of patients in the training data"
    ]
    data = locus.load_dataset("NIH", root=folder / "mixed", num_classes=8)
    found = locus.evaluate(FILES, data, ["cam"], ["single_box"], cache_dir=folder / "cache")
    assert hits([r for r in found.records if r.cell.method == "cam"]) == values


def test_images_of_training_patients_alone_are_refused_in_one_sentence(folder, tmp_path, capsys):
    more = ["--data_root_dir", folder / "seen", "--entry", "seen", "--results", tmp_path]
    assert suite(folder, "NIH", "--checkpoint", *FILES, *more) == 2
    assert [line for line in capsys.readouterr().err.splitlines() if "training data" in line] == [
        "error: all 3 images of NIH are of patients in the training data: use other images"
    ]
    assert not list(tmp_path.rglob("*.json"))


def test_a_run_of_main_carries_its_training_images_and_those_of_its_initial_weights(folder, tmp_path, caplog, capsys):
    flags = ["--dataset", PHANTOM, "--img_size", "64", "--backbone", "custom", "--epochs", "1", "--pretrained", "False"]
    flags += ["--threads", "1", "--cache_dir", str(tmp_path / "cache"), "--plots", "False"]
    for partition, start in (("patient", []), ("official", ["--init_from"])):
        more = [*start, *(str(path) for path in tmp_path.glob("patient/*/best.ckpt") if start)]
        folders = ["--partition", partition, "--model_save_dir", str(tmp_path / partition)]
        assert main.main([*flags, *folders, *more]) == 0
    first, second = (next(tmp_path.glob(f"{name}/*/best.ckpt")) for name in ("patient", "official"))
    one, both = (opening.checkpoint(path).training_images for path in (first, second))
    assert one.images < both.images
    assert len(both.images) > 16
    assert suite(tmp_path, PHANTOM, "--checkpoint", first, "--entry", "one", "--results", tmp_path / "one") in (0, 2)
    assert "of patients in the training data" in caplog.text + capsys.readouterr().err
