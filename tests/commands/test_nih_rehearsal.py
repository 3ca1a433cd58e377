"""The suite ``nih`` rehearsed on a made-up tree in the official layout: planned, run, tables written."""

import numpy as np
import pytest
import yaml
from PIL import Image

from locus.benchmark.records import load
from locus.benchmark.suite import plan
from tests.datasets.trees import HEADER_V2020

pytestmark = [pytest.mark.commands, pytest.mark.slow]
FINDINGS = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltrate", "Mass", "Nodule", "Pneumonia", "Pneumothorax")
PATIENTS, HELD_OUT = 100, 20
"""Two images each; the last ones are on the official test list, five with a box of each finding, as fixed_box needs."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """200 images in twelve folders; a bright square where the table of boxes says so."""
    root, random = tmp_path_factory.mktemp("nih"), np.random.default_rng(0)
    rows, boxes, lists = [], [], {"train_val_list.txt": [], "test_list.txt": []}
    for n in range(2 * PATIENTS):
        patient, finding, name = n // 2 + 1, FINDINGS[n % 8], f"{n // 2 + 1:08}_{n % 2:03}.png"
        pixels, held_out = random.integers(0, 128, (64, 64), np.uint8), patient > PATIENTS - HELD_OUT
        x, y = random.integers(4, 40, 2).tolist()
        pixels[y : y + 16, x : x + 16] += 100
        folder = root / f"images_{n % 12 + 1:03}" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
        rows.append(f"{name},{finding.replace('Infiltrate', 'Infiltration')},0,{patient},58,M,PA,1024,1024,0.1,0.1")
        lists["test_list.txt" if held_out else "train_val_list.txt"].append(name)
        if held_out:
            boxes.append(f"{name},{finding},{16 * x},{16 * y},256,256,,,")
    for name, lines in {
        "Data_Entry_2017_v2020.csv": [HEADER_V2020, *rows],
        "BBox_List_2017.csv": ["Image Index,Finding Label,Bbox [x,y,w,h],,,", *boxes],
        **lists,
    }.items():
        (root / name).write_text("\n".join(lines) + "\n")
    return root


def test_the_suite_nih_is_planned_run_and_shown(root, run_command, tmp_path):
    """Its own file, but for the network, the image's size, the epochs, and fewer methods."""
    suite = plan.load("nih").model_dump(exclude={"name"}, exclude_defaults=True)
    small = {"data_root_dir": str(root), "img_size": 64, "epochs": 2, "pretrained": False, "threads": 1, "logger": ["csv"], "plots": False}
    suite |= {
        "methods": ["gradcam", "pcam"],
        "second_readers": False,
        "grids": [],
        "train": suite["train"] | small,
        "models": [{"backbone": "custom", "global_pool": ["AVG", "PCAM"]}],
    }
    (tmp_path / "rehearsal.yaml").write_text(yaml.safe_dump(suite))
    places = {"suites": tmp_path, "results": tmp_path / "results", "runs": tmp_path / "runs", "cache_dir": tmp_path / "cache"}
    words = ["--suite", "rehearsal", "--threads", "1", *(word for name, at in places.items() for word in (f"--{name}", at))]
    planned = run_command("benchmark.run", *words, "--dry_run")
    assert planned.returncode == 0, planned.stderr
    assert "for 2 models" in planned.stdout
    done = run_command("benchmark.run", *words)
    assert done.returncode == 0, done.stderr
    found = [record for record in load(tmp_path / "results/rehearsal") if record.source == "run"]
    assert {record.status for record in found} == {"ok", "n/a"}, "pcam has no map under AVG"
    assert {record.cell.method for record in found if record.status == "n/a"} <= {"pcam"}
    (row,) = {record.rests_on["truth boxes"] for record in found if record.cell.protocol == "single_box" and record.status == "ok"}
    assert row == 2 * HELD_OUT
    made = {path.name for path in (tmp_path / "results/rehearsal").iterdir()}
    assert {"leaderboard.md", "leaderboard.csv", "leaderboard.tex", "index.html"} <= made
    assert "gradcam" in (tmp_path / "results/rehearsal/leaderboard.md").read_text()
    assert "0 cells to run" in run_command("benchmark.run", *words, "--dry_run").stdout
