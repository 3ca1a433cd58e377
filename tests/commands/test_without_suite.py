"""A user's network on a user's folder of images, without a suite."""

import csv
import re
from pathlib import Path

import pytest
from PIL import Image

import locus
from locus.benchmark import records

NETWORK = re.search(r"```python\n(# net\.py.*?)```", (Path(__file__).resolve().parents[2] / "docs/your_own.md").read_text(), re.DOTALL)
pytestmark = pytest.mark.commands


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with net.py and data/mine: 24 images with boxes, a test part alone."""
    work = tmp_path_factory.mktemp("own")
    folder = work / "data/mine"
    folder.mkdir(parents=True)
    (work / "net.py").write_text(NETWORK[1])
    data = locus.load_dataset("phantom:test=24", img_size=64)
    labels, boxes = [["image", "patient", "split", *data.findings]], [["image", "finding", "x0", "y0", "x1", "y1"]]
    for n, sample in enumerate(data):
        Image.fromarray(sample.image).save(folder / f"{n}.png")
        labels.append([f"{n}.png", f"p{n}", "test", *map(int, sample.labels)])
        boxes += [[f"{n}.png", finding, *box] for finding, of_finding in sample.boxes.items() for box in of_finding.tolist()]
    for name, rows in (("labels", labels), ("boxes", boxes)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return work


def run(command, work, *words):
    return command("benchmark.run", "--dataset", "folder", "--data_root_dir", "data/mine", *words, cwd=work)


def test_a_network_is_scored_on_a_folder_with_a_test_part_only(succeed, work):
    done = run(succeed, work, "--model", "net.py:Net", "--entry", "mynet", "--method", "cam", "--threads", "1")
    assert done.stdout.count("mynet with AVG") >= 1
    scored = [record for record in locus.records(work / "runs/results/data_folder_mine") if record.status == "ok"]
    assert {record.cell.backbone for record in scored} == {"mynet"}
    assert {"cam", "prior", "truth"} <= {record.method for record in scored}
    (single,) = [r for r in scored if (r.method, r.cell.protocol) == ("cam", "single_box")]
    assert single.rests_on["test images"] == 24
    assert not records.suites(work / "results")


def test_a_data_set_without_a_network_or_beside_a_suite_is_one_sentence(run_command, sentence, work):
    assert "--model FILE.py:build or --checkpoint RUN" in sentence(run(run_command, work))
    assert "--dataset cannot be combined with --suite" in sentence(run(run_command, work, "--suite", "demo"))
