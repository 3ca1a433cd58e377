"""``locus`` and ``import locus`` from a folder that is not the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import locus
from tests.warm import Running

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("config", "core", "datasets", "methods")
NET = """
import torch
from config import OWNER
from core import OWNER as owner
import datasets

assert OWNER == owner == datasets.OWNER == "user"


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.fc = torch.nn.Conv2d(3, 8, 8, stride=8), torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.body(x).relu().mean((2, 3)))
"""
pytestmark = pytest.mark.commands


def elsewhere(folder, script, *words):
    """``python script words`` in ``folder``, on whose path the checkout is not."""
    return Running(os.path.relpath(script, folder), words, cwd=folder, env={"PYTHONPATH": str(folder)}, root=folder).done()


def command(folder, *words):
    """``locus words`` in ``folder``."""
    return Running("locus", words, cwd=folder, root=folder).done()


def python(folder, code):
    """The same of a script that holds ``code``."""
    (folder / "script.py").write_text(code)
    return elsewhere(folder, folder / "script.py")


def test_the_module_has_what_a_user_needs_wherever_the_user_stands(tmp_path):
    code = f"""
import sys; sys.path.append({str(ROOT)!r})
import locus, numpy, torch
model = locus.build("custom", 2, pretrained=False)
maps = locus.explain(model, torch.zeros(1, 3, 32, 32), methods=["gradcam"])
grid = locus.Grid((32, 32), (16, 16), (7.5, 7.5))
print(*maps, locus.boxes(numpy.eye(2), 0.5, (32, 32), grid).shape)
import datasets; print(locus.datasets.names()[0])
"""
    done = python(tmp_path, code)
    assert done.stdout.splitlines() == ["gradcam (2, 4)", "CheXpert"], done.stderr


@pytest.fixture
def project(tmp_path):
    """A folder with a network and with modules that have the names of packages of Locus."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"OWNER = 'user'  # {name}")
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


@pytest.mark.parametrize("first", ["config, core, datasets", pytest.param("locus", marks=pytest.mark.slow)])
def test_modules_of_the_user_may_have_the_names_of_ours(project, first):
    code = f"""
import sys; sys.path.append({str(ROOT)!r})
import {first}
import locus, {", ".join(NAMES)}
import torch
from locus.core.user_code import from_file
print({", ".join(f"{name}.OWNER" for name in NAMES)}, len(locus.methods.names()) > 20, len(locus.datasets.names()) > 5)
model = locus.wrap(from_file("net.py:Net", "network")(), findings=["a", "b"])
print(*locus.explain(model, torch.zeros(1, 3, 32, 32), methods=["gradcam"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["user user user user True True", "gradcam"], done.stderr


@pytest.mark.slow
def test_a_command_of_the_checkout_runs_a_network_beside_modules_with_the_names_of_ours(project):
    words = ["-m", "benchmark.check", "model", f"{project / 'net.py'}:Net", "--findings", "a", "b", "--img_size", "32"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "passes all checks" in done.stdout, done.stdout + done.stderr


def test_a_method_that_imports_a_short_name_of_ours_is_told_the_long_one(tmp_path):
    (tmp_path / "mine.py").write_text("from methods.base import GradientMethod")
    done = command(tmp_path, "check", "method", "mine.py:Mine")
    assert (done.returncode, "write `from locus.methods import" in done.stderr) == (2, True), done.stderr


def test_the_command_calls_the_entry_points_that_it_names_and_writes_to_the_working_directory(tmp_path):
    usage = command(tmp_path).stdout
    assert usage.startswith("usage: locus COMMAND ")
    assert [line.split()[0] for line in usage.splitlines()[2:5]] == ["train", "heatmap", "run"]
    done = command(tmp_path, "run", "--suite", "demo", "--dry_run")
    assert "runs/results/demo" in done.stdout, done.stderr
    assert not (tmp_path / "results").exists()
    done = command(tmp_path, "trian")
    assert (done.returncode, "did you mean 'train'" in done.stderr) == (2, True)


def test_the_command_prints_its_version(tmp_path):
    assert command(tmp_path, "--version").stdout == f"locus {locus.__version__}\n"


@pytest.mark.slow
def test_transformers_works_beside_ours_in_one_process(tmp_path):
    pytest.importorskip("transformers")
    code = f"""
import sys; sys.path.append({str(ROOT)!r})
import locus, torch
from transformers import ViTConfig, ViTForImageClassification
size = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8)
model = locus.wrap(ViTForImageClassification(ViTConfig(**size)).eval())
print(model.grid((32, 32)).stride, locus.explain(model, torch.zeros(1, 3, 32, 32), methods=["gradcam"])["gradcam"].shape)
"""
    done = python(tmp_path, code)
    assert done.stdout == "(8, 8) torch.Size([1, 2, 4, 4])\n", done.stderr


def test_commands_run_where_links_are_text_files(tmp_path):
    """As git writes a checkout on a file system without links: such a file has the address of the link's target."""
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("locus", "configs", "results/demo"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=skipped)
    links = [path for folder in (ROOT, ROOT / "locus") for path in folder.iterdir() if path.is_symlink()]
    for link in (path.relative_to(ROOT) for path in links if path.name != ".venv"):
        (tmp_path / link).unlink(missing_ok=True)
        (tmp_path / link).write_text(str((ROOT / link).readlink()))
    (tmp_path / "boxes.csv").write_text("image,finding,x0,y0,x1,y1,score\nphantom-no,Mass,0,0,9,9,1\n")
    small = "--dataset phantom:train=8,val=8,test=8 --img_size 64"
    run, train, score = (
        subprocess.run([sys.executable, "-m", "locus", *words.split()], cwd=tmp_path, capture_output=True, text=True, check=False)
        for words in (
            "run --suite demo --dry_run",
            f"train {small} --epochs 1 --threads 1 --accelerator cpu --logger csv --plots False",
            f"score {small} --boxes boxes.csv --box_format xyxy --entry mine",
        )
    )
    assert "demo: " in run.stdout, run.stderr
    assert "test: mean AUROC" in train.stdout, train.stderr
    assert "phantom-no" in score.stderr, "the command read the data set and refuses the unknown image"
    assert [done.returncode for done in (run, train, score)] == [0, 0, 2]
