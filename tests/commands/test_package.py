"""The wheel in a folder without the checkout: commands, README's example and presets, beside packages with our names."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from locus.benchmark import records

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs/add_a_method.md").read_text()
TINY = "--dataset phantom:train=8,val=8,test=8 --img_size 32 --backbone custom --epochs 1 --pretrained False --plots False"
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
pytestmark = pytest.mark.commands


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the content of the wheel, built without isolation in a copy of the tree."""
    source, site = (tmp_path_factory.mktemp(name) for name in ("source", "site"))
    for name in ("locus", "configs", "docs", "src"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for suite in ("nih", "nih-sample", "nih-heldout"):
        shutil.copytree(ROOT / "results" / suite, source / "results" / suite, ignore=shutil.ignore_patterns("weights", "*.html"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    environment = {**os.environ, "LOCUS_URL": "https://host.example/locus"}
    subprocess.run([sys.executable, "-c", BUILD, source], cwd=source, env=environment, capture_output=True, check=True)
    (wheel,) = source.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    return site


@pytest.fixture(scope="module")
def installed(site):
    """installed(*words, folder): run Python in a folder where only the wheel is, and return what it printed."""

    def run(*words, folder):
        environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_wheel_has_all_files_of_the_package(site):
    files = {path.relative_to(ROOT) for path in Path(ROOT / "locus").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    files |= {Path("locus") / path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml")}
    assert files - {path.relative_to(site) for path in site.rglob("*")} == set()


def test_the_wheel_has_the_published_rows_of_nih_and_at_most_10_and_a_half_mb(site, installed, tmp_path):
    (wheel,) = site.with_name("source0").glob("*.whl")
    assert wheel.stat().st_size < 10.5e6
    code = "from locus.benchmark import records\n"
    code += "print(*((suite.name, len(records.load(suite))) for suite in records.suites(records.published())))"
    suites = [ROOT / "results" / name for name in ("nih", "nih-heldout", "nih-sample")]
    assert installed("-c", code, folder=tmp_path).split("\n")[0] == " ".join(str((s.name, len(records.load(s)))) for s in suites)


def test_readme_on_the_package_index_has_absolute_links(site):
    (metadata,) = site.glob("*.dist-info/METADATA")
    text = metadata.read_text()
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    assert len(targets) > 15
    assert [target for target in targets if not target.startswith(("https://", "http://"))] == []
    assert "Project-URL: Source, https://host.example/locus\n" in text
    assert "](https://host.example/locus/blob/v" in text
    assert 'src="https://host.example/locus/raw/v' in text


def test_messages_name_pages_and_commands_that_the_installation_has(installed, site, tmp_path):
    help_text = installed("-m", "locus", "run", "--help", folder=tmp_path)
    pages = re.findall(r"\S*docs/\w+\.md", "".join(help_text.split("\n" + 22 * " ")))
    assert pages
    assert "benchmark.run" not in help_text
    assert (site / "locus/docs/security.md").is_file()
    assert (site / "locus/py.typed").is_file()


def test_the_wheel_has_nihs_984_boxes(installed, tmp_path):
    code = "import locus; print(sum(len(s.boxes) for s in locus.load_dataset('NIH', images=False)))"
    assert installed("-c", code, folder=tmp_path) == "984\n"


@pytest.mark.slow
def test_the_audit_runs_from_the_wheel(installed, tmp_path):
    findings = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax"]
    (tmp_path / "mine.csv").write_text("\n".join(["finding,iou.3", *(f"{finding},.3" for finding in findings)]))
    assert "984 boxes on 880 images" in installed("-m", "locus", "audit", "mine.csv", folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)  # trains two networks
def test_a_run_of_a_suite_and_a_training_need_nothing_of_the_checkout(installed, tmp_path):
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods/mycam.py").write_text(re.search(r"```python\n(# methods/mycam\.py.*?)```", PAGE, re.DOTALL)[1])
    installed("-m", "locus", "train", *TINY.split(), folder=tmp_path)
    out = installed("-m", "locus", "run", "--suite", "demo", "--threads", "1", "--method", "mycam", "--plugins", "methods", folder=tmp_path)
    assert "mycam" in out
    assert (tmp_path / "runs/results/demo/leaderboard.md").is_file()


@pytest.mark.slow
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
        assert "IoU > .1" in installed("-c", first + second, folder=tmp_path)


@pytest.mark.slow
def test_hugging_face_s_datasets_works_in_the_same_process(installed, tmp_path):
    code = "import locus; from datasets import Dataset; print(len(Dataset.from_dict({'a': [1, 2]})), len(locus.datasets.names()) > 5)"
    assert installed("-c", code, folder=tmp_path) == "2 True\n"
