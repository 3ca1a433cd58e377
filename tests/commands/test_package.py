"""The wheel in a folder without the checkout: commands, README's example and presets, beside packages with our names."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs/add_a_method.md").read_text()
TINY = "--dataset phantom:train=8,val=8,test=8 --img_size 32 --backbone custom --epochs 1 --pretrained False --plots False"
pytestmark = [pytest.mark.commands, pytest.mark.slow]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """installed(*words, folder): run Python in a folder where only the wheel is, and return what it printed."""
    source, wheels, site = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "site"))
    for name in ("locus", "configs"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", wheels, "."], cwd=source, check=True)
    subprocess.run([*pip, "install", "-q", "--no-deps", "--target", site, *wheels.glob("*.whl")], check=True)

    def run(*words, folder):
        environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_wheel_has_all_code_and_the_presets(installed, tmp_path):
    code = "import locus; from locus.core.cli import CONFIGS; print(locus.__file__, CONFIGS)"
    module, configs = map(Path, installed("-c", code, folder=tmp_path).split())
    assert configs == module.parent / "configs"
    assert not module.is_relative_to(ROOT)
    for source, copy in ((ROOT / "locus", module.parent), (ROOT / "configs", configs)):
        names = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        assert names - {str(path.relative_to(copy)) for path in copy.rglob("*")} == set()


@pytest.mark.timeout(3600)  # trains two networks
def test_a_run_of_a_suite_and_a_training_need_nothing_of_the_checkout(installed, tmp_path):
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods/mycam.py").write_text(re.search(r"```python\n(# methods/mycam\.py.*?)```", PAGE, re.DOTALL)[1])
    installed("-m", "locus", "train", *TINY.split(), folder=tmp_path)
    out = installed("-m", "locus", "run", "--suite", "demo", "--threads", "1", "--method", "mycam", folder=tmp_path)
    assert "mycam" in out
    assert (tmp_path / "runs/results/demo/leaderboard.md").is_file()


@pytest.mark.parametrize(
    "others",
    [
        "import config, core, datasets; assert {config.OWNER, core.OWNER, datasets.OWNER} == {'user'}\n",
        "import torchxrayvision; assert torchxrayvision.models.DenseNet\n",
    ],
)
def test_readme_s_example_runs_beside_packages_with_our_names(installed, tmp_path, others):
    for name in ("config", "core", "datasets") if "OWNER" in others else ():
        (tmp_path / f"{name}.py").write_text("OWNER = 'user'\n")
    example = re.search(r"```python\n(import locus\n.*?)```", README, re.DOTALL)[1]
    for first, second in ((others, example), (example, others)):
        assert "hits over IoU and IoBB thresholds" in installed("-c", first + second, folder=tmp_path)


def test_hugging_face_s_datasets_works_in_the_same_process(installed, tmp_path):
    code = "import locus; from datasets import Dataset; print(len(Dataset.from_dict({'a': [1, 2]})), len(locus.datasets.names()) > 5)"
    assert installed("-c", code, folder=tmp_path) == "2 True\n"
