"""``python heatmap.py`` as a user types it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from locus import heatmap
from locus import train as main
from tests.datasets.trees import write_dicom

pytestmark = pytest.mark.commands
TINY = ["--dataset", "phantom:train=32,val=16,test=24", "--img_size", "96", "--epochs", "1", "--threads", "1", "--plots", "False"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with one finished tiny run."""
    folder = tmp_path_factory.mktemp("runs")
    assert main.main([*TINY, *f"--model_save_dir {folder} --cache_dir {folder}/cache --log_dir {folder}/logs".split()]) == 0
    return folder


@pytest.fixture
def run_command(runs, tmp_path, capsys, caplog):
    """run_command(*flags) -> status, output and log of heatmap.py in this process; test_overlay.py starts a process of its own."""

    def run(*flags):
        caplog.clear()
        status = heatmap.main(["--runs", str(runs), "--output_dir", f"{tmp_path}/out", *map(str, flags)])
        out, errors = capsys.readouterr()
        return subprocess.CompletedProcess(flags, status, out, errors + caplog.text)

    return run


def network_folder(tmp_path):
    """The folder of the only network with pictures."""
    (folder,) = (tmp_path / "out").iterdir()
    return folder


@pytest.fixture
def cases(run_command, tmp_path):
    """cases(*flags) -> the rows of ``boxes.json``, after checking that the status is 0."""

    def rows(*flags):
        done = run_command(*flags)
        assert done.returncode == 0, done.stderr
        return json.loads((network_folder(tmp_path) / "boxes.json").read_text())["cases"]

    return rows


def noise(height=200, width=160):
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8))


def test_the_newest_run_explains_its_first_test_images_with_a_truth_box(cases, tmp_path, caplog):
    rows = cases("--method", "gradcampp", "--cases", "3")
    assert len({row["image"] for row in rows}) == 3
    assert {(row["method"], row["threshold_source"]) for row in rows} == {("gradcampp", "fixed")}
    for row in rows:
        assert Image.open(network_folder(tmp_path) / row["picture"]).size[0] > 1000
        assert np.load(network_folder(tmp_path) / row["raw"]).shape == (12, 12)
        assert row["truth"]
        assert 0 <= row["iou"] <= 1
    (network,) = [line for line in caplog.text.splitlines() if "best.ckpt" in line]
    assert [word for word in ("trained on phantom:train=32", "96x96", "Mass") if word not in network] == []
    assert "drawn by code" not in caplog.text


def test_a_network_of_drawn_findings_warns_of_a_user_s_image(run_command, tmp_path):
    noise().save(tmp_path / "a.png")
    for flags in (["--image", tmp_path / "a.png"], ["-i", tmp_path / "a.png", "-o", tmp_path / "o.png"]):
        assert "drawn by code" in run_command(*flags).stderr


def test_several_methods_findings_and_a_threshold_of_ones_own(cases, tmp_path):
    flags = ["--method", "cam", "gradcam", "--findings", "Mass", "Nodule", "--threshold", "0.7", "--save_raw", "False", "--cases", "1"]
    rows = cases(*flags, "--format", "svg")
    assert [(r["finding"], r["method"]) for r in rows] == [(f, m) for f in ("Mass", "Nodule") for m in ("cam", "gradcam")]
    assert {row["threshold"] for row in rows} == {0.7}
    side_by_side = {f"{row['picture'].rpartition('_')[0]}.svg" for row in rows}
    files = {path.name for path in network_folder(tmp_path).iterdir()}
    assert files == {"boxes.json", *side_by_side, *(row["picture"] for row in rows)}
    assert "threshold 0.7 (typed)" in (network_folder(tmp_path) / rows[0]["picture"]).read_text()


def test_a_file_and_a_folder_of_ones_own_images(cases, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    noise().save(folder / "a.png")
    write_dicom(folder / "b.dcm", np.random.default_rng(1).integers(0, 4096, (200, 160), dtype=np.uint16))
    for path, count in [(folder / "b.dcm", 1), (folder, 2)]:
        rows = cases("--image", path)
        assert len(rows) == count
        assert (rows[0]["truth"], rows[0]["iou"], rows[0]["frame"]) == (None, None, [200, 160])


def test_one_image_is_explained_without_what_takes_long_to_import(environment, runs, tmp_path):
    Image.fromarray(np.eye(96, dtype=np.uint8) * 255).save(tmp_path / "x.png")
    slow = {"lightning", "scipy", "timm", "torchvision", "matplotlib", "numba", "pyarrow", "sympy", "torch._dynamo"}
    flags = ["-i", f"{tmp_path}/x.png", "--runs", str(runs), "-o", f"{tmp_path}/y.png"]
    code = f"import sys, heatmap; assert heatmap.main({flags}) == 0; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        (["--checkpoint", "no/run"], "no/run.*not found"),
        (["--method", "gradcamp"], "'gradcamp'.*'gradcampp'"),
        (["--findings", "Nodul"], "'Nodul'.*'Nodule'"),
        (["--layer", "layer9"], "layer.*'layer9'.*features"),
        (["--method", "cam", "--layer", "features.1"], r"map.*\bcam: .*'features\.1'"),
        (["--image", "cut.png"], "cut.png"),
        (["--checkpoint", "best.ckpt"], "best.ckpt"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(run_command, sentence, tmp_path, monkeypatch, flags, facts):
    monkeypatch.chdir(tmp_path)
    noise().save("cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:9000])
    (tmp_path / "best.ckpt").write_bytes(b"PK nothing")  # of another tool
    assert re.search(facts, sentence(run_command(*flags)))
    assert not (tmp_path / "out").exists()


def test_more_bad_images_than_allowed_stop_with_a_count(run_command, sentence, tmp_path):
    for name in "abcd":
        noise(50, 50).save(tmp_path / f"{name}.png")
    (tmp_path / "a.png").write_bytes(b"not an image")
    assert re.search(r" 1 of 4 .*--max_bad_images.*a\.png", sentence(run_command("--image", tmp_path)))
    done = run_command("--image", tmp_path, "--max_bad_images", "0.3")
    assert (done.returncode, "1 of 4 images" in done.stderr) == (0, True), done.stderr


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(run_command, sentence, file_limit, tmp_path):
    with file_limit(20_000):
        done = run_command("--cases", "1")
    assert f"{tmp_path}/out" in sentence(done)
    assert list(network_folder(tmp_path).iterdir()) == []


def test_the_same_method_with_two_options_gives_two_pictures(cases, tmp_path):
    rows = cases("--cases", "1", "--method", "noise:seed=1", "noise:seed=2")
    assert rows[0]["boxes"] != rows[1]["boxes"]
    pictures = {path.name for path in tmp_path.glob("out/*/*.png")}
    assert pictures > {row["picture"] for row in rows}
    assert len(pictures) == len(rows) + len({(row["image"], row["finding"]) for row in rows})  # and both side by side


def test_a_map_with_nan_is_named_the_others_go_on_and_the_status_is_1(run_command, tmp_path):
    text = "import locus\nclass Broken(locus.GradientMethod):\n    name = 'broken'\n    def weights(self, A, G): return G / 0\n"
    (tmp_path / "broken.py").write_text(text)
    done = run_command("--cases", "1", "--method", f"{tmp_path}/broken.py:Broken", "cam")
    assert done.returncode == 1, done.stderr
    assert "broken: the heat map has" in done.stdout
    assert {row["method"] for row in json.loads((network_folder(tmp_path) / "boxes.json").read_text())["cases"]} == {"cam"}


def test_a_group_of_methods_makes_a_picture_each_and_tells_the_one_that_does_not_fit(run_command, tmp_path):
    flags = ["--method", "pcam", "fast", "--layer", "features.1", "--cases", "1", "--findings", "Mass", "--precision", "bf16"]
    done = run_command(*flags)
    assert done.returncode == 0, done.stderr
    assert re.search(r"n/a: cam: .*'features\.1'", done.stdout)
    told = json.loads((network_folder(tmp_path) / "boxes.json").read_text())
    assert "pcam" in told["absent"]
    assert {"gradcam", "layercam", "center"} <= {row["method"] for row in told["cases"]}
    assert np.load(network_folder(tmp_path) / told["cases"][0]["raw"]).shape == (24, 24)


def test_every_network_has_its_own_folder_and_another_method_adds_its_maps(run_command, tmp_path):
    out, networks = tmp_path / "out", {}
    flags = ["--cases", "2", "--findings", "Mass"]
    for name in ("demo-pcam", "demo-avg"):
        assert run_command(*flags, "--model", name, "--method", "gradcam").returncode == 0
        (networks[name],) = out.glob(f"{name}-*")
    first = {path: path.read_bytes() for path in networks["demo-pcam"].iterdir()}
    other = {path: path.read_bytes() for path in networks["demo-avg"].iterdir()}
    assert run_command(*flags, "--model", "demo-pcam", "--method", "layercam").returncode == 0
    assert {path: path.read_bytes() for path in networks["demo-avg"].iterdir()} == other
    boxes = {path: json.loads((path / "boxes.json").read_text()) for path in networks.values()}
    assert [Path(boxes[path]["checkpoint"]).stem for path in networks.values()] == ["demo-pcam", "demo-avg"]
    cases = boxes[networks["demo-pcam"]]["cases"]
    assert cases[:2] == json.loads(first[networks["demo-pcam"] / "boxes.json"])["cases"]
    assert [row["method"] for row in cases] == ["gradcam", "gradcam", "layercam", "layercam"]
    files = {name for row in cases for name in (row["picture"], row["raw"])} | {"boxes.json"}
    assert {path.name for path in networks["demo-pcam"].iterdir()} == files
    assert all(path.read_bytes() == content for path, content in first.items() if path.name != "boxes.json")
    assert {path.name for path in out.iterdir()} == {path.name for path in networks.values()}


def test_the_same_method_again_replaces_its_cases(cases):
    (before,) = cases("--cases", "1", "--method", "gradcam", "--findings", "Mass")
    (after,) = cases("--cases", "1", "--method", "gradcam", "--findings", "Mass", "--alignment", "conventional", "--threshold", "0.3")
    assert (before["alignment"], after["alignment"], after["threshold"]) == ("aligned", "conventional", 0.3)


def test_a_broken_list_of_boxes_is_one_sentence_and_stays(run_command, sentence, tmp_path):
    assert run_command("--cases", "1").returncode == 0
    boxes = network_folder(tmp_path) / "boxes.json"
    boxes.write_text('{"cases": [')
    assert str(boxes) in sentence(run_command("--cases", "1"))
    assert boxes.read_text() == '{"cases": ['
