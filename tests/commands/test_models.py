"""Anyone's network as a user scores it: ``--model``, ``--weights``, ``--checkpoint``, in pictures, suites and the check."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import yaml
from PIL import Image
from safetensors import safe_open

import locus
from locus import datasets, heatmap
from locus.backbones import weight_files
from locus.benchmark import check as check
from locus.benchmark import opening, records, run, score
from locus.benchmark.maps import store
from locus.core import user_code
from locus.datasets.io import preprocess
from locus.datasets.phantom.patient import FINDINGS
from locus.scoring import protocols
from tests.benchmark.test_opening import FILE

pytestmark = pytest.mark.commands
DATA = "phantom:train=8,val=16,test=16"
SUITE = {
    "title": "t", "about": "a", "train": {"dataset": DATA, "img_size": 64, "epochs": 1, "pretrained": False},
    "models": [{"backbone": "custom"}], "methods": ["cam", "gradcam"], "protocols": ["single_box"],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of a network, weights for it as DataParallel saves them, a suite, an image."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "net.py").write_text(FILE.replace("num_classes=3", "num_classes=8"))
    torch.manual_seed(4)
    state = user_code.from_file(f"{folder / 'net.py'}:Net", "network")().state_dict()
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, folder / "w.pt")
    torch.save({**{n: v for n, v in state.items() if n != "fc.bias"}, "extra": torch.zeros(1)}, folder / "half.pt")
    (folder / "small.yaml").write_text(yaml.safe_dump(SUITE))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 80), dtype=np.uint8)).save(folder / "a.png")
    return folder


def flags(folder, *more):
    weights = [] if "--weights" in more else ["--weights", folder / "w.pt"]
    network = ["--model", f"{folder / 'net.py'}:Net", *weights]
    return [*map(str, [*network, *more])]


def suite(folder, *more, command=run):
    where = ["--suites", folder, "--results", folder / "results", "--runs", folder / "runs/suites", "--cache_dir", folder / "cache"]
    name = [] if "--suite" in more else ["--suite", "small"]
    return command.main([*map(str, [*name, "--threads", "1", *where, *more])])


@pytest.fixture(scope="module")
def rows(folder):
    """The records of the network in the suite, by method and protocol; twice, so that the second finds all done."""
    about = ["--entry", "My net", "--trained_on", "Hospital X", "--mean", "0.5", "--std", "0.25"]
    assert suite(folder, *flags(folder, *about)) == 0
    return {(r.cell.method, r.cell.protocol): r for r in records.load(folder / "results/small")}


def test_a_network_has_its_rows_in_a_suite_under_its_name_and_the_predictions_that_python_gives(folder, rows):
    cell = rows["gradcam", "single_box"].cell
    assert (cell.backbone, cell.global_pool, cell.recipe["trained_on"]) == ("My net", "AVG", "Hospital X")
    assert {rows[word, "single_box"].status for word in ("cam", "gradcam", "center", "prior", "noise", "truth")} == {"ok"}
    assert rows["untrained", "single_box"].status == "n/a"
    text = (folder / "results/small/leaderboard.md").read_text()
    assert "My net" in text
    assert ("Hospital X" in text, "custom" in text) == (True, False)
    shown, logits = predictions(folder, "My_net", lambda image: image)
    assert np.allclose(shown, logits, atol=1e-6)


def test_a_network_is_scored_on_a_folder_without_validation_images(folder, tmp_path, caplog):
    boxes, labels = ["image,finding,x0,y0,x1,y1"], ["image,patient,split,Mass,Nodule"]
    for n in range(8):
        pixels = np.random.default_rng(n).integers(0, 255, (64, 64), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
        labels.append(f"{n}.png,p{n},test,1,{n % 2}")
        boxes.append(f"{n}.png,Mass,{n},8,{n + 20},30")
    (tmp_path / "boxes.csv").write_text("\n".join(boxes))
    (tmp_path / "labels.csv").write_text("\n".join(labels))
    train = {**SUITE["train"], "dataset": "folder", "data_root_dir": str(tmp_path)}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**SUITE, "train": train}))
    where = ["--suites", tmp_path, "--results", tmp_path / "results", "--runs", tmp_path / "runs", "--cache_dir", tmp_path / "cache"]
    model = ["--model", f"{folder / 'net.py'}:Net", "--threads", "1"]
    assert not run.main([*map(str, ["--suite", "own", *where, *model])])
    found = {record.cell.method: record for record in records.load(tmp_path / "results/own") if record.cell.protocol == "single_box"}
    assert {name for name, record in found.items() if record.status != "ok"} == {"untrained"}
    sources = {score.threshold_source for score in found["cam"].scores}
    assert "cross-fitted" in sources
    assert "validation" not in sources
    assert "chosen on validation images are n/a: the tables of" in caplog.text


def test_preprocessing_changes_the_images_of_a_network_and_makes_it_another_entry(folder, rows, capsys):
    about = ["--entry", "Equalised", "--preprocess", "jf", "--mean", "0.5", "--std", "0.25"]
    assert suite(folder, *flags(folder, *about), "--method", "gradcam") == 0
    shown, logits = predictions(folder, "Equalised", preprocess.jf)
    assert np.allclose(shown, logits, atol=1e-6)
    assert not np.allclose(shown, predictions(folder, "My_net", lambda image: image)[0], atol=1e-3)
    runs = [opening.checkpoint(next((folder / "runs/models").glob(f"{name}*"))) for name in ("My_net", "Equalised")]
    assert weight_files.digest(runs[0].weights) == weight_files.digest(runs[1].weights)
    assert runs[0].digest != runs[1].digest
    assert suite(folder, "--preprocess", "jf") == 2
    assert "--preprocess requires an external network" in capsys.readouterr().err


def predictions(folder, entry, prepare):
    """The predictions that the suite wrote for an entry, and the logits of its network on the prepared test images."""
    (written,) = (folder / "runs/suites/small").glob(f"{entry}*/predictions.csv")
    table = pd.read_csv(written, dtype={"image": str}).query("split == 'test'").set_index("image")
    data = datasets.load(DATA, split="test", img_size=64)
    net = user_code.from_file(f"{folder / 'net.py'}:Net", "network")()
    net.load_state_dict({n.removeprefix("module."): v for n, v in torch.load(folder / "w.pt")["state_dict"].items()})
    images = torch.from_numpy(np.stack([prepare(sample.image) for sample in data]))[:, None] / 255
    names = [f"logit_{finding}" for finding in FINDINGS]
    return table.loc[[sample.image_id for sample in data], names], net((images - 0.5) / 0.25).detach().numpy()


def of_a_file(folder):
    return saved(folder, user_code.from_file(f"{folder / 'net.py'}:Net", "network")(), f"{folder / 'net.py'}:Net")


def of_timm(folder):
    return saved(folder, timm.create_model("test_vit", num_classes=8, in_chans=1, dynamic_img_size=True), "timm:test_vit")


def saved(folder, net, word, mean=0.5, std=0.25):
    """A network whose weights lie in a file: as Python has it, its normalisation, and the flags that name it."""
    torch.save(net.state_dict(), folder / "net.pt")
    numbers = ["--mean", mean, "--std", std, "--channels", "1", "--img_size", "64"]
    return locus.wrap(net.eval(), img_size=64), (mean,), (std,), ["--model", word, "--weights", folder / "net.pt", *numbers]


@pytest.mark.parametrize(("network", "method"), [(of_a_file, "gradcam"), pytest.param(of_timm, "gradcam", marks=pytest.mark.slow)])
def test_the_row_of_a_network_in_the_leaderboard_has_the_numbers_of_python(folder, network, method):
    torch.manual_seed(5)
    model, mean, std, words = network(folder)
    assert suite(folder, *words, "--entry", network.__name__, "--method", method, "--protocol", "single_box") == 0
    table = pd.read_csv(folder / "results/small/leaderboard.csv").set_index(["backbone", "method"])
    samples = [sample for sample in datasets.load(DATA, split="test", img_size=64) if sample.boxes]
    grey = torch.from_numpy(np.stack([sample.image for sample in samples]))[:, None] / 255
    maps = locus.explain(model, (grey - torch.tensor(mean).reshape(-1, 1, 1)) / torch.tensor(std).reshape(-1, 1, 1), methods=[method])
    arrays = {(s.image_id, f): shown[k].numpy() for s, shown in zip(samples, maps[method], strict=True) for k, f in enumerate(FINDINGS)}
    truth = {(s.image_id, finding): boxes for s in samples for finding, boxes in s.boxes.items()}
    frames, patients = {s.image_id: s.frame for s in samples}, {s.image_id: s.patient_id for s in samples}
    result = locus.score(arrays, truth, frames=frames, grids=maps.grids[method], patients=patients, protocol="single_box")
    scores = {(s.metric, s.threshold_source): s.value for s in result.scores if s.finding == "mean"}
    sources = {"hit@iou.3": "cross-fitted", "hit@iou.1": "cross-fitted", "pointing": "none"}
    expected = {metric: scores[metric, threshold_source] for metric, threshold_source in sources.items()}
    assert table.loc[(network.__name__, method), list(expected)].to_dict() == expected
    assert max(expected.values()) > 0


@pytest.fixture
def exported(folder, rows, tmp_path, monkeypatch):
    """The flags that name the maps of ``rows``, written as files in the folder at hand."""
    (file,) = (folder / "runs/suites/small/maps").glob("My net*/gradcam.safetensors")
    monkeypatch.chdir(tmp_path)
    with safe_open(file, "np") as opened:
        index = json.loads(opened.metadata()["index"])
    stored = store.read(file, [index["key"]])
    Path("maps").mkdir()
    for image, finding in stored.index.pairs:
        np.save(f"maps/{image}_{finding}.npy", stored.stored(image, finding))
    Path("grid.json").write_text(json.dumps(index["grid"]))
    words = ["--maps", "maps", "--alignment", "grid.json"]
    return ["--dataset", DATA, "--img_size", "64", *words, "--entry", "Exported", "--results", "out"]


def values(scores):
    return {(s.finding, s.metric, s.threshold_source): s.value for s in scores if s.threshold_source != "validation"}


@pytest.mark.slow
def test_exported_maps_have_the_scores_of_the_suite_by_every_protocol(folder, exported):
    about = ["--entry", "My net", "--trained_on", "Hospital X", "--mean", "0.5", "--std", "0.25"]
    (folder / "whole.yaml").write_text(yaml.safe_dump({**SUITE, "methods": ["gradcam"], "protocols": protocols.of_maps()}))
    assert suite(folder, "--suite", "whole", *flags(folder, *about), "--method", "gradcam") == 0
    assert score.main(exported) == 0
    ours = {r.cell.protocol: r for r in records.load(folder / "results/whole") if (r.cell.backbone, r.cell.method) == ("My net", "gradcam")}
    theirs = {r.cell.protocol: r for r in records.load(Path("out/exported")) if r.source == "external"}
    assert set(protocols.of_maps()) <= set(ours)
    for word in protocols.of_maps():
        expected = values(ours[word].scores)
        assert values(theirs[word].scores) == {key: pytest.approx(value, abs=1e-9, nan_ok=True) for key, value in expected.items()}


def test_a_run_that_is_scored_again_by_its_path_is_another_entry_and_the_first_stays(folder, rows):
    (made,) = (folder / "runs/models").glob("My_net*")
    assert suite(folder, "--checkpoint", made, "--entry", "Again") == 2  # it names net.py, which would run
    assert suite(folder, "--checkpoint", made, "--entry", "Again", "--trust") == 0
    both = {r.cell.backbone: r for r in records.load(folder / "results/small") if r.cell.method == "gradcam"}
    assert {"My net", "Again"} <= set(both)
    assert both["Again"].find("hit@iou.3") == both["My net"].find("hit@iou.3")
    assert both["Again"].checkpoints == both["My net"].checkpoints


def test_pictures_of_anyones_network(folder, tmp_path, caplog):
    named = ["--findings", *FINDINGS, "--img_size", "64", "--runs", tmp_path / "runs"]
    assert heatmap.main(flags(folder, "--image", folder / "a.png", "--output_dir", tmp_path / "maps", *named)) == 0
    for words in ("features 'body', relu; pooling ", "head 'fc'", "(ImageNet; "):
        assert words in caplog.text
    (case,) = json.loads(next(tmp_path.glob("maps/*/boxes.json")).read_text())["cases"]
    assert case["finding"] in FINDINGS


def test_the_check_says_what_was_loaded_wired_and_served(folder, capsys):
    assert check.main(["model", *flags(folder, "--img_size", "64", "--dataset", DATA, "--images", "24")[1:]]) == 0
    shown = capsys.readouterr().out
    for fact in (
        "none missing, none unexpected", "equal to the original network's", "stride (4.0, 4.0)", "hirescam",
        "fullgrad", "method pcam", "method rollout", "passes all checks",
    ):  # fmt: skip
        assert fact in shown


@pytest.mark.parametrize(
    ("more", "facts"),
    [
        (["--weights", "half.pt"], "1 of 4 weights are missing.*1 are unexpected"),
        (["--features", "bod"], "'body'"),
        (["--findings", "Mass", "Nodule"], "a different shape.*fc.weight"),
        (["--mean", "0.5"], "--mean and --std require each other"),
        (["--channels", "3"], "fails for an image of 3x64x64.*channels"),
    ],
)
def test_what_does_not_fit_a_network_is_one_sentence(folder, capsys, more, facts):
    paths = [str(folder / word) if ".p" in word else word for word in more]
    assert suite(folder, *flags(folder, *paths)) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.search(facts, error), error


def test_several_checkpoints_in_a_suites_yaml_are_trainings_of_one_entry(folder, rows, tmp_path):
    (made,) = (folder / "runs/models").glob("My_net*")
    content = torch.load(made / "best.ckpt", weights_only=True)
    content["state_dict"] = {name: value * 1.5 for name, value in content["state_dict"].items()}
    torch.save(content, tmp_path / "other.ckpt")
    entry = {"checkpoint": [str(made), str(tmp_path / "other.ckpt")], "entry": "Two"}
    (folder / "two.yaml").write_text(yaml.safe_dump({**SUITE, "models": [entry], "methods": ["cam"]}))
    assert suite(folder, "--suite", "two", "--trust", "--method", "cam") == 0
    scored = [r for r in records.load(folder / "results/two") if (r.cell.method, r.source) == ("cam", "run")]
    assert {(r.cell.backbone, r.cell.seed) for r in scored} == {("Two", 0), ("Two", 1)}
    assert len({r.key for r in scored}) == len(scored)
    row = next(line for line in (folder / "results/two/leaderboard.md").read_text().splitlines() if "| cam |" in line)
    assert row.startswith("| Two with AVG | cam |")
