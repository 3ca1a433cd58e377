"""``locus`` and ``import locus`` from a folder that is not the checkout."""

import os
from pathlib import Path

import pytest

from tests.warm import Running

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.commands


def elsewhere(folder, script, *words):
    """``python script words`` in ``folder``, on whose path the checkout is not."""
    return Running(os.path.relpath(script, folder), words, cwd=folder, env={"PYTHONPATH": str(folder)}, root=folder).done()


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


def test_another_package_named_datasets_that_came_first_is_a_sentence(tmp_path):
    (tmp_path / "datasets.py").write_text("")
    done = python(tmp_path, f"import sys, datasets; sys.path.append({str(ROOT)!r}); import locus")
    assert "import locus before it" in done.stderr


def test_the_command_calls_the_entry_points_that_it_names_and_writes_to_the_working_directory(tmp_path):
    usage = elsewhere(tmp_path, ROOT / "locus.py").stdout
    assert usage.startswith("usage: locus train|heatmap|run|")
    done = elsewhere(tmp_path, ROOT / "locus.py", "run", "--suite", "demo", "--dry_run")
    assert "runs/results/demo" in done.stdout, done.stderr
    assert not (tmp_path / "results").exists()
    done = elsewhere(tmp_path, ROOT / "locus.py", "trian")
    assert (done.returncode, "train|heatmap" in done.stderr) == (2, True)


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
