"""``python -m benchmark.score`` as a user types it, by the lines of its page."""

import csv
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from locus import datasets
from locus.benchmark import records
from locus.benchmark.records import cases
from locus.benchmark.suite import comparison
from tests.benchmark.entries.given import DATA, SIZE, WORD, shown, write
from tests.browser import BROWSER, dom
from tests.gallery import pictures

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMAND, DATASET = "benchmark.score", ("--dataset", WORD, "--img_size", str(SIZE))
pytestmark = pytest.mark.commands


def typed(command, **given):
    """The flags of the line of the page that begins with ``command``, its words in capitals replaced."""
    (line,) = re.findall(rf"^ *python -m {command}(.*)$", (DOCS / "your_own.md").read_text(), re.MULTILINE)
    words = shlex.split(line.replace("--dataset NIH --data_root_dir PATH", shlex.join(DATASET)))
    return [str(given.get(word, word)) for word in words]


@pytest.fixture(scope="module")
def scored(succeed, tmp_path_factory):
    """A folder with maps in ``maps`` and the results of their entry in ``out``, and the output of the command."""
    folder = tmp_path_factory.mktemp("scored")
    flags = typed("benchmark.score(?=.*--maps FOLDER)", FOLDER=write(folder / "maps"))
    return folder, succeed(COMMAND, *flags, "--results", folder / "out").stdout


def test_external_maps_are_scored(scored):
    results, told = scored[0] / "out", scored[1]
    for word in ("My maps", "prior", "fixed_box needs at least 5", "leaderboard.md"):
        assert word in told
    folder = results / "my-maps"
    entered = {r.cell.protocol: r for r in records.load(folder) if r.source == "external"}
    assert {"single_box", "wang", "adaptive_threshold", "pointing", "energy", "maxbox", "pxap", "chexlocalize"} == set(entered)
    answer = told[told.index("Yours: ") :].splitlines()
    assert answer[0].startswith("Yours: My maps: ")
    assert answer[1].startswith("Significantly above prior (")
    assert "My maps at IoU > .3" in answer[1]
    with (folder / "leaderboard.csv").open(newline="") as file:
        gap = next(float(line["prior_difference"]) for line in csv.DictReader(file) if line["method"] == "My maps")
    assert gap > 0
    assert any(subgroup.variable == "size" for subgroup in entered["single_box"].subgroups)
    assert len((folder / "sources.csv").read_text().splitlines()) == 1 + len(list((scored[0] / "maps").iterdir()))
    text, _ = comparison.compare(*(comparison.resolve(f"my-maps/{row}", results) for row in ("My maps", "prior")))
    assert f"{gap:+.3f}" in text


def test_the_gallery_of_scored_maps_shows_their_boxes_as_scored(succeed, scored, tmp_path):
    page = tmp_path / "page.html"
    command = "python -m benchmark.gallery my-maps --results"
    assert command in (scored[0] / "out/my-maps/index.html").read_text()
    succeed("benchmark.gallery", "my-maps", "--results", scored[0] / "out", "--output", page)
    text = page.read_text()
    assert command in text
    main = {r.cell.method: r for r in records.load(scored[0] / "out/my-maps") if r.cell.protocol == "single_box" and r.status == "ok"}
    rows = {name: cases.read(r.cell, scored[0] / "out/my-maps").set_index(["image", "finding"])["iou"] for name, r in main.items()}
    shown = pictures(text)
    assert {"My maps", "prior", "truth"} <= {picture["method"] for picture in shown}
    assert [float(p["iou"]) for p in shown] == [rows[p["method"]][p["image"], p["finding"]] for p in shown]
    if BROWSER:
        drawn = pictures(dom(page, "finding="))
        assert [float(p["computed"]) for p in drawn] == pytest.approx([float(p["iou"]) for p in drawn], abs=1e-5)


def test_maps_that_changed_or_boxes_have_no_gallery(run_command, sentence, succeed, scored, tmp_path):
    changed = Path(shutil.copytree(scored[0], tmp_path / "changed"))
    flags = changed / "out/my-maps/records/config.yaml"
    flags.write_text(flags.read_text().replace(str(scored[0]), str(changed)))
    gallery = ("benchmark.gallery", "my-maps", "--results", changed / "out")
    succeed(*gallery)
    assert (changed / "out/my-maps/gallery.html").is_file()
    write(changed / "maps", lambda values: values[::-1])
    assert "My maps" in sentence(run_command(*gallery))
    shutil.rmtree(changed / "maps")
    assert str(changed / "maps") in sentence(run_command(*gallery))
    flags.unlink()
    assert "benchmark.score" in sentence(run_command(*gallery))


def test_boxes_are_scored_by_every_protocol_that_takes_boxes(succeed, run_command, sentence, tmp_path):
    rows = [f"{s.image_id},{f},{','.join(map(str, box))},.9" for s in DATA for f, boxes in s.boxes.items() for box in boxes.tolist()]
    (tmp_path / "boxes.csv").write_text("\n".join(["image,finding,x0,y0,x1,y1,score", *rows]) + "\n")
    flags = typed("benchmark.score(?=.*--boxes)", **{"FILE.csv": tmp_path / "boxes.csv"})
    succeed(COMMAND, *flags, "--results", tmp_path)
    entered = {r.cell.protocol: r for r in records.load(tmp_path / "my-detector") if r.source == "external"}
    assert {"single_box", "pointing", "detection", "froc"} == set(entered)
    for protocol, metric in (("detection", "ap@iou.4"), ("froc", "froc@iou.3"), ("single_box", "hit@iou.3")):
        assert entered[protocol].find(metric).value == 1
    assert "My detector has boxes" in sentence(run_command("benchmark.gallery", "my-detector", "--results", tmp_path))
    assert "benchmark.gallery" not in (tmp_path / "my-detector/index.html").read_text()


def test_invalid_entry_is_an_error_and_writes_nothing(run_command, sentence, tmp_path):
    flags = ["--maps", tmp_path / "absent", "--alignment", "pixels", "--entry", "x", "--results", tmp_path / "out"]
    assert "absent" in sentence(run_command(COMMAND, *DATASET, *flags))
    assert not (tmp_path / "out").exists()


def test_protocol_added_is_scored_beside_single_box_with_shuffled_maps(succeed, run_command, sentence, tmp_path):
    word, size = "phantom:train=4,val=4,test=80", 64
    for sample in datasets.load(word, img_size=size):
        for finding in sample.boxes:
            (tmp_path / "maps").mkdir(exist_ok=True)
            np.save(tmp_path / f"maps/{sample.image_id}_{finding}.npy", shown(sample, finding))
    flags = ("--dataset", word, "--img_size", size, "--maps", tmp_path / "maps", "--alignment", "conventional", "--entry", "mine")
    succeed(COMMAND, *flags, "--protocol", "added", "--results", tmp_path)
    found = records.load(tmp_path / "mine")
    assert {r.cell.protocol for r in found} == {"single_box", "added"}
    rows = {r.cell.method: r.find("added") for r in found if r.cell.protocol == "added"}
    assert {*rows} == {"mine", "noise", "center", "shuffled", "truth"}
    assert rows["mine"].low > 0
    assert rows["shuffled"].low <= 0
    page = (tmp_path / "mine/leaderboard.md").read_text()
    assert "what maps add to prior" in page
    assert "| added [95%] |" in page
    assert "unknown protocol 'add'" in sentence(run_command(COMMAND, *flags, "--protocol", "add", "--results", tmp_path / "x"))
