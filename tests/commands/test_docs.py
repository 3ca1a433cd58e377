"""The page for newcomers, walked from top to bottom: its files are written, its commands run as they stand."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

import locus
from locus.benchmark.suite import plan
from locus.core.registry import CHECKS, PROTOCOLS
from locus.flags import cli
from tests.warm import Running

pytestmark = pytest.mark.commands
ROOT = Path(__file__).resolve().parents[2]
PARTS = ("benchmark", "configs", "docs", "locus", "heatmap.py", "main.py")
BLOCK = re.compile(r"```(python|toml|sh|yaml)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^ *(python (?:.*\\\n)*.*)", re.MULTILINE)
WRITTEN = re.compile(r"(?:-o|--output|--output_path|--output_dir|--model_save_dir|>) +(\S+)")
GENERATED = ("docs/methods.md",)
"""What a command writes anew as it is committed."""
SMALL = "--dataset phantom:train=32,val=16,test=24 --img_size 64 --epochs 1 --threads 1 --logger csv --plots False"
DEMO = """
title: The demo, smaller
about: Too small to mean anything.
train: {dataset: "phantom:train=32,val=16,test=24", img_size: 64, epochs: 1, threads: 1, logger: [csv], plots: false}
models:
  - {backbone: custom}
methods: [cam]
protocols: [single_box]
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the tree whose demo is tiny."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        if (ROOT / part).is_dir() and not (ROOT / part).is_symlink():
            shutil.copytree(ROOT / part, folder / part, symlinks=True)  # locus/configs is a link
        else:
            shutil.copy(ROOT / part, folder / part, follow_symlinks=False)
    (folder / "configs" / "suites" / "demo.yaml").write_text(DEMO)
    shutil.copytree(ROOT / "results" / "demo", folder / "results" / "demo")
    shutil.copy(ROOT / ".gitignore", folder)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def typed(checkout, line, status=0):
    """The output of the line as typed in the checkout; pip installs into a folder of the test, from what is there."""
    site = checkout / "site"
    if line.startswith("pip install"):
        line += f" --quiet --no-index --no-deps --no-build-isolation --target {site}"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": f"{checkout}{os.pathsep}{site}", "CUDA_VISIBLE_DEVICES": ""}
    if not line.startswith("python ") or ">" in line:
        done = subprocess.run(line, shell=True, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    else:
        script, *flags = line.removeprefix("python ").removeprefix("-m ").split()
        done = Running(script, flags, cwd=checkout, env=environment, root=checkout).done()
    assert done.returncode == status, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_commands_of_the_first_page_run_on_small_data(checkout):
    (checkout / "data" / "mine").mkdir(parents=True)
    for name in ("my_image.png", "data/mine/a.png"):
        Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(checkout / name)
    (checkout / "data" / "mine" / "labels.csv").write_text("image,split,Mass\na.png,train,1\n")
    lines = [line.split("  #")[0].strip() for line in COMMAND.findall((ROOT / "docs" / "start.md").read_text())]
    elsewhere = ("--dataset NIH", "--suite nih", "--all")  # run by other tests
    here = dict.fromkeys(line for line in lines if not any(words in line for words in elsewhere))
    for line in sorted(here, key=lambda line: "main.py" not in line):
        small = (f"{line} {SMALL}" if line.startswith("python main.py") else line).replace("densenet121", "custom")
        typed(checkout, small, status=int("check dataset" in line))  # one image is not enough
    assert len(lines) == 10
    assert (checkout / "runs" / "mass.jpg").stat().st_size > 1000


@pytest.mark.slow
def test_the_page_about_methods_leads_from_nothing_to_a_ranked_method(checkout):
    for kind, text in BLOCK.findall((ROOT / "docs" / "add_a_method.md").read_text()):
        if kind == "sh":
            for line in text.splitlines():
                typed(checkout, line)
        else:
            file = checkout / text.splitlines()[0].removeprefix("# ")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
    table = (checkout / "runs" / "results" / "demo" / "leaderboard.md").read_text()
    assert [word for word in ("mycam", "published)", "hole") if word not in table] == []


def test_the_protocol_of_the_page_about_protocols_scores_a_map_by_its_centre_of_mass():
    text = next(text for kind, text in BLOCK.findall((ROOT / "docs" / "add_a_protocol.md").read_text()) if kind == "python")
    made = {"__name__": "centre_of_mass"}
    exec(compile(text, "centre_of_mass.py", "exec"), made)
    left = np.zeros((4, 4), dtype=np.float32)
    left[:, 0] = 1
    maps = {("a", "Mass"): left, ("b", "Mass"): left, ("c", "Mass"): np.zeros((4, 4), dtype=np.float32)}
    truth = {("a", "Mass"): [[0, 0, 20, 100]], ("b", "Mass"): [[60, 0, 100, 100]], ("c", "Mass"): [[0, 0, 100, 100]]}
    with PROTOCOLS.adding([made["CentreOfMass"]]):
        result = locus.score(maps, truth, frames=(100, 100), grids="conventional", protocol="centre_of_mass")
    hits = {row["image"]: bool(row["hit@centre"]) for row in result.rows}
    assert hits == {"a": True, "b": False, "c": False}


def test_the_check_of_the_page_about_checks_is_scored_packed_and_shown_without_another_edit(tmp_path):
    text = next(text for kind, text in BLOCK.findall((ROOT / "docs" / "add_a_check.md").read_text()) if kind == "python")
    made = {"__name__": "edge"}
    exec(compile(text, "edge.py", "exec"), made)
    data = locus.load_dataset("phantom:train=32,val=16,test=12,prevalence=0.5", split="test")
    model = locus.build("custom", len(data.findings), findings=data.findings, pretrained=False, img_size=64)
    with CHECKS.adding([made["Edge"]]):
        result = locus.evaluate(model, data, ["gradcam"], checks=["edge"])
        scores = result.scores().query("protocol == 'edge'").set_index(["method", "metric"])["value"]
        result.save(tmp_path / "mine")
        planned = plan.Suite(name="s", title="S", about="A.", check="edge", models=[{"global_pool": "AVG"}])
    assert scores["center", "edge"] == 0
    assert planned.protocols_or_check == ["edge"]
    page = (tmp_path / "mine" / "leaderboard.md").read_text()
    assert "**Are maps highest at the edge of the image?**" in page
    assert "edge" in pandas.read_parquet(tmp_path / "mine" / "cases.parquet").columns


@pytest.mark.slow
def test_the_page_about_networks_leads_from_a_file_to_rows_and_from_a_run_too(checkout):
    blocks = BLOCK.findall((ROOT / "docs" / "your_own.md").read_text())
    (checkout / "net.py").write_text(next(text for kind, text in blocks if kind == "python"))
    lines = sorted((line for kind, text in blocks if kind == "sh" for line in text.splitlines()), key=lambda line: "RUN" in line)
    for line in lines:
        run = next((checkout / "runs" / "models").glob("*"), "")
        typed(checkout, line.replace("RUN", f"{run} --trust"))  # a run of net.py
    assert "mynet" in (checkout / "runs" / "results" / "demo" / "leaderboard.md").read_text()


@pytest.mark.slow
def test_the_suite_of_ten_lines_runs_as_it_stands(checkout):
    text = next(text for kind, text in BLOCK.findall((ROOT / "docs" / "reproduce.md").read_text()) if kind == "yaml")
    (checkout / text.splitlines()[0].removeprefix("# ")).write_text(text)
    assert {"AVG", "PCAM"} <= set(re.findall(r"AVG|PCAM", typed(checkout, "python -m benchmark.run --suite mine")))


def test_what_a_pages_command_is_told_to_write_lies_below_runs():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    commands = [line for page in pages for line in re.findall(r"^ *(?:\S*/)?python (?:.*\\\n)*.*", page.read_text(), re.MULTILINE)]
    named = [name for line in commands for name in WRITTEN.findall(line.split("  #")[0])]
    assert len(named) >= 6
    assert [name for name in named if not name.startswith("runs/") and name not in GENERATED] == []


class Understood(BaseException):
    """The flags of a command were all taken."""


def understood(line, monkeypatch):
    """Whether the entry point of a line takes its flags; nothing is run."""
    parse = cli.parse

    def parsed(*args, **kwargs):
        parse(*args, **kwargs)
        raise Understood

    script, *flags = shlex.split(line.split(" > ")[0], comments=True)[1:]
    module = flags.pop(0) if script == "-m" else script.removesuffix(".py").replace("/", ".")
    entry_point = next(m for name in (module, f"{module}.__main__") if hasattr(m := importlib.import_module(name), "main"))
    for owner in (cli, entry_point):
        if hasattr(owner, "parse"):
            monkeypatch.setattr(owner, "parse", parsed)
    try:
        entry_point.main(flags)
    except Understood:
        return True
    finally:
        monkeypatch.undo()
    return False


def test_every_command_of_readme_and_docs_is_understood_with_all_its_flags(monkeypatch):
    walked = ROOT / "docs" / "add_a_method.md"  # names methods that the page itself writes
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted({*(ROOT / "docs").glob("*.md")} - {walked})]
    lines = [line for page in pages for line in COMMAND.findall(page.read_text())]
    assert len(lines) > 40
    assert [line for line in lines if not understood(line.replace("\\\n", " "), monkeypatch)] == []


def test_the_suites_of_documented_commands_have_their_protocols():
    defines_one = ROOT / "docs" / "add_a_protocol.md"
    pages = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {defines_one})]
    pairs = [pair for page in pages for pair in re.findall(r"--suite (\S+).* --protocol (\w+)", page.read_text())]
    assert ("nih-sample", "added") in pairs
    assert [(suite, name) for suite, name in pairs if name not in plan.load(suite).recorded_protocols] == []


def test_the_blocks_for_python_users_run_one_after_the_other(checkout):
    page = (ROOT / "docs" / "your_own.md").read_text().split("## Python\n")[1]
    end = "print(len(result.table()), len(score.scores), found.shape, picture.shape == boxed[0].frame)"
    (checkout / "blocks.py").write_text("\n".join([*(text for _, text in BLOCK.findall(page)), end]))
    assert typed(checkout, "python blocks.py").endswith("4) True\n")


def test_maps_of_pytorch_grad_cam_are_scored_as_the_page_says(checkout):
    page = (ROOT / "docs" / "your_own.md").read_text().split("## Maps of pytorch-grad-cam\n")[1].split("\n## ")[0]
    ((_, code),) = BLOCK.findall(page)
    (line,) = COMMAND.findall(page)
    small = "phantom:test=24"
    (checkout / "blocks.py").write_text(code.replace("phantom:test=40", small))
    typed(checkout, "python blocks.py")
    assert "grad-cam" in typed(checkout, line.strip().replace("phantom:test=40", small))


def test_the_lines_of_pandas_give_the_leaderboards_number(monkeypatch):
    monkeypatch.chdir(ROOT)
    (block,) = [text for kind, text in BLOCK.findall((ROOT / "docs" / "reproduce.md").read_text()) if kind == "python"]
    *lines, last = block.strip().splitlines()
    names = {}
    exec("\n".join(lines), names)
    assert f"{eval(last, names):.3f}".lstrip("0") in last


def test_after_the_pages_commands_git_knows_only_of_the_files_that_a_reader_wrote(checkout):
    told = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    changed = {line[3:].strip('"') for line in told.splitlines()}
    written = (
        "methods/mycam.py", "methods/hole.py", "docs/methods.md", "configs/suites/mine.yaml",
        "blocks.py", "net.py", "my_image.png", "mine/", "locus-theirs/", "site/",
    )  # fmt: skip
    assert [path for path in changed if not path.startswith(written)] == []
