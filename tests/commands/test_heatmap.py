"""``python heatmap.py`` as a user types it."""

import json
import re
import resource
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import heatmap
import main
from tests.datasets.trees_radiologists import write_dicom

pytestmark = pytest.mark.commands
TINY = ["--dataset", "phantom:train=32,val=16,test=24", "--img_size", "96", "--epochs", "1", "--threads", "1", "--plots", "False"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with one finished tiny run."""
    folder = tmp_path_factory.mktemp("runs")
    assert main.main([*TINY, *f"--model_save_dir {folder} --cache_dir {folder}/cache --log_dir {folder}/logs".split()]) == 0
    return folder


@pytest.fixture
def run_command(capsys, caplog):
    """run_command("heatmap.py", flags…) in this process, its log as its errors; test_overlay.py starts it as a process of its own."""

    def run(script, *flags):
        caplog.clear()
        status = heatmap.main([*map(str, flags)])
        out, errors = capsys.readouterr()
        return subprocess.CompletedProcess(script, status, out, errors + caplog.text)

    return run


def test_the_newest_run_explains_its_first_test_images_with_a_truth_box(run_command, runs, tmp_path):
    done = run_command("heatmap.py", "--method", "gradcampp", "--cases", "3", "--runs", runs, "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "boxes.json").read_text())["cases"]
    assert len({row["image"] for row in rows}) == 3
    assert {row["method"] for row in rows} == {"gradcampp"}
    for row in rows:
        assert Image.open(tmp_path / "out" / row["picture"]).size[0] > 1000
        assert np.load(tmp_path / "out" / row["raw"]).shape == (12, 12)
        assert row["truth"]
        assert 0 <= row["iou"] <= 1
        assert row["threshold_origin"] == "fixed"


def test_which_network_explains_and_what_it_was_trained_on_is_said_first(run_command, runs, tmp_path):
    done = run_command("heatmap.py", "--cases", "1", "--runs", runs, "--output_dir", tmp_path)
    (first,) = [line for line in done.stderr.splitlines() if "best.ckpt" in line]
    assert "trained on phantom:train=32" in first
    assert "96x96" in first
    assert "Mass" in first
    assert "drawn by code" not in done.stderr


def test_a_network_of_drawn_findings_warns_of_a_user_s_image(run_command, runs, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 160), dtype=np.uint8)).save(tmp_path / "a.png")
    for flags in (["--image", tmp_path / "a.png", "--output_dir", tmp_path], ["-i", tmp_path / "a.png", "-o", tmp_path / "o.png"]):
        assert "drawn by code" in run_command("heatmap.py", "--runs", runs, *flags).stderr


def test_several_methods_findings_and_a_threshold_of_ones_own(run_command, runs, tmp_path):
    flags = ["--method", "cam", "gradcam", "--findings", "Mass", "Nodule", "--threshold", "0.7", "--save_raw", "False", "--cases", "1"]
    done = run_command("heatmap.py", *flags, "--format", "svg", "--runs", runs, "--output_dir", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "boxes.json").read_text())["cases"]
    assert [(r["finding"], r["method"]) for r in rows] == [
        ("Mass", "cam"),
        ("Mass", "gradcam"),
        ("Nodule", "cam"),
        ("Nodule", "gradcam"),
    ]
    assert {row["threshold"] for row in rows} == {0.7}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["boxes.json", *(row["picture"] for row in rows)])
    text = (tmp_path / rows[0]["picture"]).read_text()
    assert "threshold 0.7 (typed)" in text


def test_a_file_and_a_folder_of_ones_own_images(run_command, runs, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 160), dtype=np.uint8)).save(folder / "a.png")
    write_dicom(folder / "b.dcm", np.random.default_rng(1).integers(0, 4096, (200, 160), dtype=np.uint16))
    for path, count in [(folder / "b.dcm", 1), (folder, 2)]:
        done = run_command("heatmap.py", "--image", path, "--runs", runs, "--output_dir", tmp_path / f"out{count}")
        assert done.returncode == 0, done.stderr
        rows = json.loads((tmp_path / f"out{count}" / "boxes.json").read_text())["cases"]
        assert len(rows) == count
        assert rows[0]["truth"] is None
        assert rows[0]["iou"] is None
        assert rows[0]["frame"] == [200, 160]


def test_without_any_run_one_sentence_says_what_to_run_first(run_command, sentence, tmp_path):
    done = run_command("heatmap.py", "--method", "gradcampp", "--runs", tmp_path / "none")
    assert re.search(rf"{tmp_path}/none.*`python main\.py`", sentence(done))


def test_no_run_is_told_before_torch_is_imported(environment, tmp_path):
    none = f"import sys, heatmap; s = heatmap.main(['--runs', {str(tmp_path)!r}]); sys.exit(s + 10 * ('torch' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", none], env=environment, capture_output=True, check=False).returncode == 2


def test_one_image_is_explained_without_what_takes_long_to_import(environment, runs, tmp_path):
    Image.fromarray(np.eye(96, dtype=np.uint8) * 255).save(tmp_path / "x.png")
    slow = {"lightning", "scipy", "timm", "torchvision", "matplotlib", "numba", "pyarrow", "pydantic", "sympy", "torch._dynamo"}
    flags = ["-i", f"{tmp_path}/x.png", "--runs", str(runs), "-o", f"{tmp_path}/y.png"]
    code = f"import sys, heatmap; assert heatmap.main({flags}) == 0; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_misspelt_method_gets_the_nearest(run_command, sentence, runs):
    assert re.search("'gradcamp'.*'gradcampp'", sentence(run_command("heatmap.py", "--method", "gradcamp", "--runs", runs)))


def test_a_misspelt_finding_gets_the_nearest(run_command, sentence, runs):
    assert re.search("'Nodul'.*'Nodule'", sentence(run_command("heatmap.py", "--findings", "Nodul", "--runs", runs)))


def test_a_truncated_image_is_a_sentence_with_path_and_reason(run_command, sentence, runs, tmp_path):
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:9000])
    done = run_command("heatmap.py", "--image", path, "--runs", runs, "--output_dir", tmp_path / "out")
    assert "cut.png" in sentence(done)
    assert not (tmp_path / "out").exists()


def test_more_bad_images_than_allowed_stop_with_a_count(run_command, sentence, runs, tmp_path):
    for name in "abcd":
        Image.fromarray(np.full((50, 50), 99, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "a.png").write_bytes(b"not an image")
    done = run_command("heatmap.py", "--image", tmp_path, "--runs", runs, "--output_dir", tmp_path / "out")
    assert re.search(r" 1 of 4 .*--max_bad_images.*a\.png", sentence(done))
    done = run_command("heatmap.py", "--image", tmp_path, "--runs", runs, "--output_dir", tmp_path / "out", "--max_bad_images", "0.3")
    assert done.returncode == 0, done.stderr
    assert "1 of 4 images" in done.stderr


def test_a_checkpoint_of_another_tool_is_a_sentence(run_command, sentence, tmp_path):
    (tmp_path / "best.ckpt").write_bytes(b"PK nothing")
    assert f"{tmp_path}/best.ckpt" in sentence(run_command("heatmap.py", "--checkpoint", tmp_path / "best.ckpt"))


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(run_command, sentence, runs, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        done = run_command("heatmap.py", "--runs", runs, "--output_dir", tmp_path / "out", "--cases", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"{tmp_path}/out" in sentence(done)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_same_method_with_two_options_gives_two_pictures(run_command, runs, tmp_path):
    done = run_command("heatmap.py", "--runs", runs, "--output_dir", tmp_path, "--cases", "1", "--method", "noise:seed=1", "noise:seed=2")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "boxes.json").read_text())["cases"]
    assert rows[0]["boxes"] != rows[1]["boxes"]
    assert len(list(tmp_path.glob("*.png"))) == len(rows)


def test_a_map_with_nan_is_named_the_others_go_on_and_the_status_is_1(run_command, runs, tmp_path):
    (tmp_path / "broken.py").write_text(
        "import methods\nclass Broken(methods.GradientMethod):\n    name = 'broken'\n    def weights(self, A, G): return G / 0\n"
    )
    flags = ["--cases", "1", "--method", f"{tmp_path}/broken.py:Broken", "cam"]
    done = run_command("heatmap.py", "--runs", runs, "--output_dir", tmp_path / "out", *flags)
    assert done.returncode == 1, done.stderr
    assert "broken: the heat map has" in done.stdout
    assert {row["method"] for row in json.loads((tmp_path / "out" / "boxes.json").read_text())["cases"]} == {"cam"}


def test_a_group_of_methods_makes_a_picture_each_and_tells_the_one_that_does_not_fit(run_command, runs, tmp_path):
    flags = ["--method", "pcam", "fast", "--layer", "features.1", "--cases", "1", "--findings", "Mass", "--precision", "bf16"]
    done = run_command("heatmap.py", "--runs", runs, "--output_dir", tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    assert re.search(r"n/a: cam: .*'features\.1'", done.stdout)
    told = json.loads((tmp_path / "boxes.json").read_text())
    assert "pcam" in told["absent"]
    assert {"gradcam", "layercam", "center"} <= {row["method"] for row in told["cases"]}
    assert np.load(tmp_path / told["cases"][0]["raw"]).shape == (24, 24)


def test_when_no_method_fits_one_sentence_says_why(run_command, sentence, runs, tmp_path):
    done = run_command("heatmap.py", "--runs", runs, "--output_dir", tmp_path / "out", "--method", "cam", "--layer", "features.1")
    assert re.search(r"map.*\bcam: .*'features\.1'", sentence(done))
    assert not (tmp_path / "out").exists()


def test_an_unknown_layer_is_told_those_there_are(run_command, sentence, runs):
    assert re.search("layer.*'layer9'.*features", sentence(run_command("heatmap.py", "--runs", runs, "--layer", "layer9")))


def test_the_engine_s_flags_change_no_map(run_command, runs, tmp_path):
    for name, flags in {"plain": [], "other": ["--channels_last", "True", "--memory_gib", "0.01"]}.items():
        done = run_command("heatmap.py", "--runs", runs, "--cases", "1", "--output_dir", tmp_path / name, "--method", "gradcam", *flags)
        assert done.returncode == 0, done.stderr
    plain, other = (np.load(next((tmp_path / name).glob("*.npy"))) for name in ("plain", "other"))
    assert np.allclose(plain, other, atol=1e-5 * np.abs(plain).max())
